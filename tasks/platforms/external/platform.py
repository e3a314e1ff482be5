"""Given connections only: PostgreSQL, Redis and the portal are somebody else's."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from clients.postgres import (
    Connection,
    DatabaseMissing,
    Postgres,
    PostgresRefused,
    PostgresUnreachable,
)
from clients.processes import Process
from config.environment import Environment
from config.errors import StepError
from config.rules.finding import Reading, bad, good
from config.rules.restore_point import Archived
from config.secrets import POSTGRES_ADMIN
from tasks.core.site import Site
from tasks.core.step import Step
from tasks.platforms.base import Address, Build, Included, Platform
from tasks.steps.docker import docker_steps
from tasks.steps.pgsql import PostgresRequirements, dify_database, login, owned_databases
from tasks.steps.pgsql_primary import Primary
from tasks.steps.pgsql_role import DATABASES_OF
from tasks.steps.redis import RedisRequirements

CONNECT_WITHIN_S = 2.0


class External:
    """Checks what is given, and makes role and databases where an administrator is given."""

    @property
    def steps(self) -> Mapping[str, Build]:
        return {"docker": docker_steps, "pgsql": _pgsql, "redis": _redis}

    marks_machines = True
    keeps_every_moment = False

    def prepare(self, site: Site) -> None:
        return

    def prefetch(self, site: Site, only: Sequence[str]) -> None:
        return

    def stop(self, site: Site) -> list[str]:
        return []

    def folder(self, environment: Environment) -> Path | None:
        return None

    def papers(self, site: Site) -> Mapping[str, str]:
        return {}

    def ports(self, environment: Environment) -> dict[str, int]:
        return {}

    def runs(self, environment: Environment, process: Process) -> bool:
        return False

    def preflight(self, site: Site) -> list[Reading]:
        return []

    def preflight_on(self, node: Site) -> list[Reading]:
        """Whether the given PostgreSQL and Redis accept connections at all."""
        postgres, redis = node.environment.postgres, node.environment.redis
        return [
            _answers("postgres", postgres.host, postgres.port, node),
            _answers("redis", redis.host, redis.port, node),
        ]

    def machines(self, environment: Environment) -> dict[str, str]:
        return {}

    @contextmanager
    def administrator(self, site: Site, database: str) -> Generator[Connection]:
        """The login of `postgres.admin`."""
        boss = _administrator(site, database)
        try:
            with boss.connect() as connection:
                yield connection
        except psycopg.Error as error:
            raise StepError(
                "pgsql",
                f"{boss}: {_said(error)}",
                advice="let postgres.admin do that, or have it done by who may and leave "
                "postgres.admin empty",
            ) from None

    def administered(self, site: Site) -> bool:
        return POSTGRES_ADMIN in site.secrets

    def postgres_absent(self, site: Site) -> bool:
        return False

    def databases_with(self, site: Site, tables: Mapping[str, str]) -> list[str]:
        if self.postgres_absent(site) or not self.administered(site):
            return []
        with suppress(PostgresUnreachable):
            return [name for name, table in tables.items() if self._has(site, name, table)]
        return []

    def databases_of(self, site: Site, role: str) -> list[str]:
        if self.postgres_absent(site) or not self.administered(site):
            return []
        with (
            suppress(PostgresUnreachable),
            self.administrator(site, "postgres") as connection,
        ):
            found = connection.execute(DATABASES_OF.format(role=role).encode()).fetchone()
            return str(found[0] or "").split() if found else []
        return []

    def serving(self, site: Site) -> Mapping[str, Sequence[str]]:
        return {}

    def domain_back(self, site: Site) -> Sequence[Step[Any]]:
        return []

    def domain_kept(self, site: Site) -> Sequence[Step[Any]]:
        return []

    def _has(self, site: Site, database: str, table: str) -> bool:
        try:
            with self.administrator(site, database) as connection:
                row = connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone()
        except DatabaseMissing:
            return False
        return row is not None and row[0] is not None

    def postgres_host(self, environment: Environment) -> str:
        return environment.postgres.host

    def postgres_programs(self, site: Site) -> list[Path]:
        return []

    def replicas(self, environment: Environment) -> int:
        return 0

    def archived(self, site: Site, point: str) -> Archived | None:
        return None

    def portal(self, site: Site, port: int) -> Address | None:
        return None

    def included(self, site: Site) -> Included | None:
        return None

    def authority(self, site: Site) -> bytes | None:
        return None

    def private_authority(self, site: Site) -> bytes | None:
        return self.authority(site)

    def leads_to_https(self, site: Site) -> bool:
        return True

    def advice(self, environment: Environment, server: str, section: str) -> str:
        return f"start {server}, or mend {section}.host and {section}.port of the environment"


def _administrator(site: Site, database: str) -> Postgres:
    return login(site, site.environment.postgres.admin, site.secrets[POSTGRES_ADMIN], database)


def _said(error: psycopg.Error) -> str:
    """The server's own reason, with the detail that it gives."""
    detail = error.diag.message_detail
    return str(error).splitlines()[0] + (f" ({detail})" if detail else "")


def _pgsql(site: Site) -> list[Step[Any]]:
    if site.environment.postgres.admin:
        return [
            Primary(_administrator(site, "postgres")),
            *owned_databases(site),
            PostgresRequirements(site, (PostgresRefused,)),
        ]
    return [Primary(dify_database(site)), PostgresRequirements(site)]


def _redis(site: Site) -> list[Step[Any]]:
    return [RedisRequirements(site)]


def _answers(name: str, host: str, port: int, site: Site) -> Reading:
    if trouble := site.node.knock(host, port, CONNECT_WITHIN_S):
        detail = f"{host}:{port} does not answer: {trouble}"
        file = f"config/environments/{site.name}.toml"
        advice = f"start it, or mend {name}.host and {name}.port in {file}"
        return bad(name, detail, advice=advice, passes=True)
    return good(name, f"{host}:{port} answers")


PLATFORM: Platform = External()
