"""The sandbox: PostgreSQL, Redis, nginx and Prefect in one directory of this machine."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clients.postgres import Connection
from clients.processes import Process, open_files
from config.environment import Environment
from config.rules.finding import Reading, bad, good
from tasks.core.site import Site
from tasks.core.step import Step
from tasks.platforms.base import Address, Build, Included, Platform
from tasks.platforms.external.platform import External
from tasks.platforms.sandbox import nginx, portal, postgres, prefect, redis
from tasks.platforms.sandbox.authority import Paths
from tasks.platforms.sandbox.daemons import is_here
from tasks.platforms.sandbox.home import prepare_home
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.steps.docker import docker_steps
from tasks.steps.given_certificate import given_authority
from tasks.steps.hosts import Hosts, hosts_of
from tasks.steps.pgsql import owned_databases, unfit

LOOPBACK = "127.0.0.1"


class Sandbox(External):
    """Everything is made here, and stopped here."""

    @property
    def steps(self) -> Mapping[str, Build]:
        return {
            "docker": docker_steps,
            "pgsql": _pgsql,
            "redis": redis.server_steps,
            "portal": portal.portal_steps,
            "hosts": _hosts,
        }

    marks_machines = False  # it shares its machine with whatever runs there

    def prepare(self, site: Site) -> None:
        prepare_home(site)

    def stop(self, site: Site) -> list[str]:
        for server in (nginx, prefect, redis, postgres):
            server.stop(site)
        return ["nginx", "Prefect", "Redis", "PostgreSQL"]

    def folder(self, environment: Environment) -> Path | None:
        return environment.sandbox.home

    def papers(self, site: Site) -> Mapping[str, str]:
        return {"nginx.txt": nginx.configuration(site)}

    def ports(self, environment: Environment) -> dict[str, int]:
        portal = environment.portal
        found = {"postgres.port": environment.postgres.port, "redis.port": environment.redis.port}
        found["portal.http_port"] = portal.http_port
        return found | ({"portal.https_port": portal.https_port} if portal.tls else {})

    def runs(self, environment: Environment, process: Process) -> bool:
        """Whether it was started for the sandbox's directory or keeps files open in it."""
        home = environment.sandbox.home
        folders = {f"{home}/", f"{home.resolve()}/"}
        if any(folder in process.title for folder in folders):
            return True
        return any(name.startswith(tuple(folders)) for name in open_files(process.pid))

    def preflight(self, site: Site) -> list[Reading]:
        needs, major = site.release.postgres, layout(site).major
        detail = (
            f"Dify {site.release.version} takes PostgreSQL {needs.min} to {needs.max}, "
            f"the sandbox brings {major}"
        )
        if needs.takes(major):
            return [good("postgres", detail)]
        advice = f"set another dify.release in config/environments/{site.name}.toml"
        return [bad("postgres", detail, advice=advice)]

    def preflight_on(self, node: Site) -> list[Reading]:
        return [_reached(node), *(server.program(node).reading() for server in (redis, portal))]

    @contextmanager
    def administrator(self, site: Site, database: str) -> Generator[Connection]:
        with postgres.administrator(site, database) as connection:
            yield connection

    def administered(self, site: Site) -> bool:
        return True

    def postgres_absent(self, site: Site) -> bool:
        return site.node.read(layout(site).data / "PG_VERSION") is None

    def postgres_host(self, environment: Environment) -> str:
        """Over loopback: what a process of this machine sends to the docker bridge, Docker's
        MASQUERADE rule gives another sender, which pg_hba.conf does not know.
        """
        return LOOPBACK

    def postgres_programs(self, site: Site) -> list[Path]:
        return [layout(site).programs / "bin"]

    def portal(self, site: Site, port: int) -> Address | None:
        return LOOPBACK, port

    def included(self, site: Site) -> Included:
        return portal.Beside(site)

    def authority(self, site: Site) -> bytes | None:
        given = site.environment.portal.certificate
        return given_authority(site) if given else self.private_authority(site)

    def private_authority(self, site: Site) -> bytes | None:
        return site.admin.read(Paths.below(site.environment.sandbox.home).ca)

    def advice(self, environment: Environment, server: str, section: str) -> str:
        return f"run: rollout deploy {environment.name}"


BRIDGE = "bridge"


def _reached(site: Site) -> Reading:
    """Whether the machine has the addresses that containers reach its servers by.

    Without an engine nobody knows: its bridge, whose address is a setting of the engine, comes
    when it starts.
    """
    environment = site.environment
    hosts = {"postgres.host": environment.postgres.host, "redis.host": environment.redis.host}
    missing = {key: host for key, host in hosts.items() if not is_here(host)}
    if not missing or site.docker.trouble():
        return good("addresses", "of this machine")
    found = [each.gateway for each in site.docker.subnets() if each.network == BRIDGE]
    named = f"the address of Docker's bridge, {found[0]}" if any(found) else "one that it has"
    return bad(
        "addresses",
        f"this machine has no address {', '.join(dict.fromkeys(missing.values()))}",
        advice=f"set {' and '.join(missing)} to {named}, in config/environments/{site.name}.toml",
    )


def _pgsql(site: Site) -> list[Step[Any]]:
    major = layout(site).major
    if not site.release.postgres.takes(major):
        raise unfit(site, major)
    return [*postgres.server_steps(site), *owned_databases(site)]


def _hosts(site: Site) -> list[Hosts]:
    """Only root may name the domain in the machine's hosts file; an address needs no name."""
    named = not site.environment.portal.is_address
    return [hosts_of(site)] if named and os.geteuid() == 0 else []


PLATFORM: Platform = Sandbox()
