"""A Dify that somebody else set up on the lab's Pigsty, with its containers beside the node."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from clients.dify import DifyError
from clients.waiting import until
from tasks.core.site import Site
from tasks.platforms.pigsty.portal import PAIR, PKI
from tasks.probes.subjects.portal import open_dify
from tasks.probes.verify.application import Trial
from tasks.steps.pgsql import dify_database
from tests.integration.adopting import PASSWORD, compose
from tests.integration.upgrading import fill
from tests.pigsty.lab.site import LabSite

# Releases before 1.0 have no such table; the test's encrypted credential needs one.
SEALED = (
    b"CREATE TABLE IF NOT EXISTS provider_credentials"
    b" (tenant_id uuid, provider_name text, encrypted_config text)"
)


@dataclass(frozen=True)
class Place:
    """Its compose project, folders, release, role and domain.

    `name`: of its database and of its entry in infra_portal.
    """

    project: str
    folder: Path
    data: Path
    release: str
    role: str
    name: str = "dify"
    domain: str = "dify.pigsty"

    @property
    def databases(self) -> dict[str, str]:
        return {"DATABASE": self.name, "PLUGIN_DATABASE": f"{self.name}_plugin"}


def ran(site: LabSite, *words: str) -> None:
    """One of Pigsty's own commands has ended well."""
    done = site.lab.run(*words)
    assert done.status == 0, done


def roles_and_databases(site: LabSite, role: str, *databases: str) -> None:
    """What Pigsty's inventory says of them is there."""
    ran(site, "bin/pgsql-hba", "pg-meta")
    ran(site, "bin/pgsql-user", "pg-meta", role)
    for database in databases:
        ran(site, "bin/pgsql-db", "pg-meta", database)


def served(site: LabSite) -> None:
    """Pigsty's portal has read what infra_portal says, with a certificate for all of it."""
    for name in PAIR:
        (site.lab.tree / PKI / name).unlink(missing_ok=True)
    ran(site, "./infra.yml", "-t", "nginx_config,nginx_cert,nginx_reload")


@contextmanager
def running(site: LabSite, place: Place) -> Generator[Site]:
    """It runs and has data of people. The site is that of its places, as the test knows them."""
    names = {"PROJECT": place.project, "HOME": str(place.folder), "DATA": str(place.data)}
    site.set({**names, "RELEASE": place.release}, "DIFY")
    site.set({"USER": place.role, "PORT": "5432", **place.databases}, "POSTGRES")
    site.set({"DOMAIN": place.domain}, "PORTAL")
    opened = site.opened()
    there = opened.replace(secrets={**opened.secrets, "postgres_password": SecretStr(PASSWORD)})
    try:
        compose(there, "up", "--detach")
        assert until(lambda: set_up(there) is False, within_s=240, every_s=1)
        with open_dify(there) as dify:
            Trial(there, dify).setup()
        with dify_database(there).connect() as connection:
            connection.execute(SEALED)
        fill(there)
        yield there
    finally:
        compose(there, "down", "--volumes")
        shutil.rmtree(place.data, ignore_errors=True)
        _forget(site, place)


def set_up(there: Site) -> bool | None:
    """Whether the Dify at its domain of Pigsty's portal has people; None if none answers."""
    try:
        with open_dify(there) as dify:
            return dify.status().set_up
    except DifyError:
        return None


def _forget(site: LabSite, place: Place) -> None:
    for database in place.databases.values():
        site.lab.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    site.lab.sql(f"DROP OWNED BY {place.role} CASCADE; DROP ROLE {place.role}")
    site.lab.inside(f"rm -f /etc/nginx/conf.d/{place.name}.conf*; systemctl reload nginx")
