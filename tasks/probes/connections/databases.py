"""PostgreSQL and Redis, as Dify and whoever makes its databases log in to them."""

from collections.abc import Callable
from functools import partial

from config.pigsty import pooled
from config.secrets import POSTGRES_ADMIN, required
from tasks.core.site import Site
from tasks.probes.connections.connection import connection
from tasks.probes.engine import NotYet, Probe
from tasks.steps.pgsql import dify_database, login
from tasks.steps.redis import dify_redis


def postgres(site: Site) -> list[Probe]:
    """Dify's databases; and the administrator's login, if one is given."""
    settings = site.environment.postgres
    where = f"{settings.user}@{settings.host}:{settings.port}"
    found = [
        connection(
            "PostgreSQL",
            f"postgres.{'plugin_' if plugin else ''}database",
            f"{where}/{settings.plugin_database if plugin else settings.database}",
            _known(site, "postgres_password", partial(_ask_dify, site, plugin)),
            site.platform.advice(site.environment, "PostgreSQL", "postgres"),
        )
        for plugin in (False, True)
    ]
    if POSTGRES_ADMIN in required(site.environment, site.release):
        where = f"{settings.admin}@{settings.host}:{settings.port}"
        ask = _known(site, POSTGRES_ADMIN, partial(_ask_admin, site))
        advice = "mend postgres.admin, or its password in the secrets"
        found.insert(0, connection("PostgreSQL", "postgres.admin", where, ask, advice))
    return found


def redis(site: Site) -> list[Probe]:
    """Dify's cache, and Celery's queues."""
    settings = site.environment.redis
    return [
        connection(
            "Redis",
            f"redis.{'broker_' if broker else ''}database",
            f"{settings.host}:{settings.port}/"
            f"{settings.broker_database if broker else settings.database}",
            _known(site, "redis_password", partial(_ask_redis, site, broker)),
            site.platform.advice(site.environment, "Redis", "redis"),
        )
        for broker in (False, True)
    ]


def _known(site: Site, secret: str, ask: Callable[[], str]) -> Callable[[], str]:
    def refuse() -> str:
        raise NotYet(f"{secret} is not known yet", because="secrets")

    return ask if secret in site.secrets else refuse


def _ask_dify(site: Site, plugin: bool) -> str:
    return dify_database(site, plugin=plugin).check(sessions=not pooled(site.environment))


def _ask_admin(site: Site) -> str:
    admin = site.environment.postgres.admin
    return login(site, admin, site.secrets[POSTGRES_ADMIN], "postgres").check()


def _ask_redis(site: Site, broker: bool) -> str:
    return dify_redis(site, broker=broker).check()
