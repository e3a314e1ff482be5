"""Before an environment is used for the first time its places are empty: no other Dify is in them.

It was used before where its home has a file of this project, or where the key is kept that opens
what Dify has stored.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from clients.command import Command
from clients.node import Node
from clients.redis import RedisRefused, RedisUnfit, RedisUnreachable
from config.environment import Environment
from config.errors import StepError
from tasks.core import secret_places
from tasks.core.owner_mark import home_is_marked
from tasks.core.secrets import given_secrets
from tasks.core.site import Site
from tasks.steps.redis import dify_redis

STEP = "first use"
KEY = "secret_key"


def require_unused(site: Site) -> None:
    """Nothing of another Dify is where this environment's would be, if it is used the first time.

    Raises:
        StepError: something is; each place in a line.
    """
    environment, node = site.environment, site.node
    if home_is_marked(environment, node):
        return
    values = _values(site)
    if KEY in values:
        return
    known = site.replace(secrets=values)
    found = [
        *_files(environment, node),
        *_databases(known),
        *_role(known),
        *_queues(known),
        *_portal(known),
    ]
    if not found:
        return
    raise StepError(
        STEP,
        f"nothing says that these are of the environment {environment.name}, and a deploy would "
        "take them:\n  " + "\n  ".join(f"{key}: {what}" for key, what in found),
        advice=f"set {', '.join(key for key, _ in found)} in "
        f"config/environments/{environment.name}.toml to others; a Dify that runs in "
        f"containers is taken over into them by rollout adopt {environment.name}. If they are its "
        "own (a machine was lost), bring back the point they belong to: "
        f"rollout restore {environment.name} POINT; or give its key: "
        f"rollout secrets {environment.name} {KEY} --set",
    )


def _values(site: Site) -> dict[str, SecretStr]:
    """The secrets that somebody gave or a run has saved; those in a stack's `.env` are neither."""
    known = secret_places.look(site.environment, site.release, site.node)
    kept = known.place(secret_places.FILE).values
    return {**kept, **known.saved.values, **given_secrets(site.environment)}


def _files(environment: Environment, node: Node) -> Iterator[tuple[str, str]]:
    if node.look([environment.dify.data])[environment.dify.data] is None:
        return
    command = (
        "find",
        str(environment.dify.data),
        "-mindepth",
        "1",
        "-type",
        "f",
        "-print",
        "-quit",
    )
    if found := node.run(Command(command, changes=False)).strip():
        yield "dify.data", f"has files, like {Path(found).relative_to(environment.dify.data)}"


def _queues(site: Site) -> Iterator[tuple[str, str]]:
    """A given Redis that already has keys of somebody; one that does not let in is found later."""
    if "redis_password" not in site.secrets:
        return
    redis = site.environment.redis
    for key, broker in (("redis.database", False), ("redis.broker_database", True)):
        number = redis.broker_database if broker else redis.database
        with suppress(RedisUnreachable, RedisRefused, RedisUnfit):
            with dify_redis(site, broker=broker).client() as client:
                untyped: Any = client
                keys = int(untyped.dbsize())
            if keys:
                yield key, f"{number} on {redis.host}:{redis.port} has {keys} keys"


def _databases(site: Site) -> Iterator[tuple[str, str]]:
    postgres = site.environment.postgres
    keys = {
        postgres.database: ("postgres.database", "alembic_version"),
        postgres.plugin_database: ("postgres.plugin_database", "plugins"),
    }
    tables = {name: table for name, (_, table) in keys.items()}
    for name in site.platform.databases_with(site, tables):
        yield keys[name][0], f"{name} on {postgres.host} has tables of a Dify"


def _role(site: Site) -> Iterator[tuple[str, str]]:
    """A role with databases of somebody, who could log in no more with another password."""
    postgres = site.environment.postgres
    own = {postgres.database, postgres.plugin_database}
    if found := [n for n in site.platform.databases_of(site, postgres.user) if n not in own]:
        yield "postgres.user", f"{postgres.user} is the role of {', '.join(found)}"


def _portal(site: Site) -> Iterator[tuple[str, str]]:
    """An adoption takes the domain from the Dify it takes over, and asks itself whose it is."""
    domain = site.environment.portal.domain
    if site.adopting:
        return
    if found := site.platform.serving(site):
        yield "portal.domain", f"{domain} is served by {', '.join(found)} of the portal"
