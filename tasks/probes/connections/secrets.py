"""The secrets of an environment: whether all are there that only somebody can give."""

from functools import partial

from blocks import secrets as saved
from blocks.prefect_api import configured
from blocks.secrets import DifySecrets
from config.errors import RolloutError
from config.secrets import required
from tasks.core import secret_file, secret_places
from tasks.core.secrets import given_secrets
from tasks.core.site import Site
from tasks.probes.connections.connection import connection
from tasks.probes.engine import NotYet, Probe

ADVICE = "rollout secrets shows which are known and where"


def secrets(site: Site) -> list[Probe]:
    file = str(secret_file.path(site.environment))
    where = f"dify-secrets/{saved.block_name(site.name)}" if configured() else file
    return [connection("Dify secrets", "secrets", where, partial(_ask, site), ADVICE)]


def _ask(site: Site) -> str:
    given = given_secrets(site.environment)
    known = secret_places.look(site.environment, site.release, site.node)
    secret_places.require_same(site.environment, known, given)
    names = required(site.environment, site.release)
    others = [name for name in names if name not in site.release.secrets]
    missing = [name for name in others if name not in site.secrets]
    if missing:
        raise RolloutError(
            f"{', '.join(missing)} not given; rollout secrets {site.name} {missing[0]} --set"
        )
    if new := [name for name in names if name not in site.secrets]:
        said = f"the first deploy makes {len(new)} of them"
        raise NotYet(said, because="first deploy")
    return DifySecrets(values=dict(site.secrets)).check(names)
