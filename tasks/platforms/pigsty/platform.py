"""Pigsty: its playbooks make PostgreSQL, Redis, Docker and the portal on its own machines."""

from collections.abc import Mapping, Sequence
from typing import Any

from clients.postgres import PostgresRefused, PostgresUnreachable
from config.environment import Environment
from config.pigsty import by_hand
from config.rules.finding import Reading
from config.rules.restore_point import Archived
from tasks.core.nodes import on_each
from tasks.core.site import Site
from tasks.core.step import Step
from tasks.platforms.base import Address, Build, Included, Platform
from tasks.platforms.external.platform import External
from tasks.platforms.pigsty import (
    handover,
    nginx,
    pgsql,
    prefetch,
    preflight,
    redis,
    restore_point_name,
)
from tasks.platforms.pigsty.answers import AUTHORITY
from tasks.platforms.pigsty.docker import engine_steps
from tasks.platforms.pigsty.facts import desired
from tasks.platforms.pigsty.infra import infra_steps
from tasks.platforms.pigsty.inventory import inventory_steps
from tasks.platforms.pigsty.members import databases_of, databases_with
from tasks.platforms.pigsty.names import name_steps
from tasks.platforms.pigsty.narrow import narrow_steps
from tasks.platforms.pigsty.papers import papers
from tasks.platforms.pigsty.portal import entry_steps
from tasks.platforms.pigsty.source import source_steps
from tasks.steps.given_certificate import given_authority
from tasks.steps.pgsql import PostgresRequirements, dify_database
from tasks.steps.redis import RedisRequirements


class Pigsty(External):
    """Everything is made by Pigsty, from its inventory."""

    @property
    def steps(self) -> Mapping[str, Build]:
        return {
            "bootstrap": source_steps,
            "configure": inventory_steps,
            "install": infra_steps,
            "docker": _docker,
            "pgsql": _pgsql,
            "redis": _redis,
            "portal": entry_steps,
            "hosts": name_steps,
        }

    keeps_every_moment = True

    def prefetch(self, site: Site, only: Sequence[str]) -> None:
        prefetch.prefetch(site, only)

    def preflight(self, site: Site) -> list[Reading]:
        return preflight.readings(site)

    def preflight_on(self, node: Site) -> list[Reading]:
        return []

    def machines(self, environment: Environment) -> dict[str, str]:
        return {environment.nodes.admin: "nodes.admin"}

    def papers(self, site: Site) -> Mapping[str, str]:
        return papers(site)

    def replicas(self, environment: Environment) -> int:
        return len(environment.pigsty.pg_nodes) - 1

    def archived(self, site: Site, point: str) -> Archived | None:
        return restore_point_name.note(site, point)

    def databases_with(self, site: Site, tables: Mapping[str, str]) -> list[str]:
        return databases_with(site, tables)

    def databases_of(self, site: Site, role: str) -> list[str]:
        return databases_of(site, role)

    def serving(self, site: Site) -> Mapping[str, Sequence[str]]:
        return nginx.serving(site)

    def domain_back(self, site: Site) -> Sequence[Step[Any]]:
        return handover.back_steps(site)

    def domain_kept(self, site: Site) -> Sequence[Step[Any]]:
        return handover.kept_steps(site)

    def portal(self, site: Site, port: int) -> Address | None:
        return site.admin.reach(site.environment.pigsty.admin_ip, port)

    def included(self, site: Site) -> Included | None:
        """Portals of Pigsty before 3.4 take no directives for an entry."""
        takes = by_hand(site.environment) or "config" in (desired(site).portal or {})
        return nginx.Beside(site) if takes else None

    def authority(self, site: Site) -> bytes | None:
        if site.environment.portal.certificate:
            return given_authority(site)
        return None if site.environment.pigsty.certbot else self.private_authority(site)

    def private_authority(self, site: Site) -> bytes | None:
        return site.admin.read(site.environment.pigsty.home / AUTHORITY)

    def leads_to_https(self, site: Site) -> bool:
        """Portals of Pigsty before 3.0 serve both alike: an entry cannot ask for more."""
        entry = desired(site).portal
        return entry is None or bool(entry.get("enforce_https"))


def _docker(site: Site) -> list[Step[Any]]:
    return on_each(site, engine_steps)


def _pgsql(site: Site) -> list[Step[Any]]:
    main, plugin = dify_database(site), dify_database(site, plugin=True)
    unmade = (PostgresRefused, PostgresUnreachable)
    made = [*pgsql.pgsql_steps(site, main, plugin), *narrow_steps(site)]
    return [*made, PostgresRequirements(site, unmade)]


def _redis(site: Site) -> list[Step[Any]]:
    parts = redis.redis_steps(site)
    instances = parts[0]
    required = RedisRequirements(
        site,
        pending=lambda: bool(instances.observe()),
        unset=lambda: any(part.plan(part.observe()) for part in parts),
        within_s=0,
    )
    return [*parts, required]


PLATFORM: Platform = Pigsty()
