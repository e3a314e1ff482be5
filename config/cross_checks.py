"""What an environment and the release it names must agree on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from config import pigsty
from config.desired.services import active, processes
from config.environment import Environment
from config.release import Release
from config.secrets import CREDENTIALS, required

SANDBOX_POSTGRES = 16
PLUGIN_CONNECTIONS = 30
SPARE_CONNECTIONS = 10
RESERVED_CONNECTIONS = 3  # PostgreSQL keeps them for superusers


def check(environment: Environment, release: Release) -> list[str]:
    """Every disagreement as `path.to.key: what is wrong; what is expected`."""
    return [
        *_services(environment, release),
        *_postgres(environment, release),
        *_connections(environment, release),
        *_loopback(environment),
        *_sources(environment, release),
        *pigsty.check(environment, release),
    ]


def _services(environment: Environment, release: Release) -> Iterator[str]:
    optional = dict.fromkeys(s.switch for s in release.services.values() if s.switch)
    for name in environment.dify.services:
        if name not in optional:
            yield (
                f"dify.services: {name!r} is not an optional service of release "
                f"{release.version}; expected some of: {', '.join(optional) or 'it has none'}"
            )
    for service in release.services.values() if len(environment.nodes.dify) > 1 else ():
        if service.single and service.switch in environment.dify.services:
            yield (
                f"dify.services: {service.switch!r} keeps its files on one machine, and "
                "nodes.dify names several; expected one of them, or other services"
            )


def _postgres(environment: Environment, release: Release) -> Iterator[str]:
    needs = release.postgres
    if environment.platform.kind == "sandbox" and not needs.takes(SANDBOX_POSTGRES):
        yield (
            f"dify.release: {release.version} takes PostgreSQL {needs.min} to {needs.max}, "
            f"the sandbox has {SANDBOX_POSTGRES}; expected another release or platform"
        )


def needed_connections(environment: Environment, release: Release) -> int:
    """What Dify may open: each of its processes has a pool, the plugin daemon opens 30 at most."""
    return sum(connections_by_database(environment, release).values())


def connections_by_database(environment: Environment, release: Release) -> dict[str, int]:
    """The same by database."""
    postgres = environment.postgres
    needed = {
        postgres.database: postgres.pool.most * _pools(environment, release) + SPARE_CONNECTIONS
    }
    if "plugin_daemon" in release.services:
        needed[postgres.plugin_database] = PLUGIN_CONNECTIONS * len(environment.nodes.dify)
    return needed


def _connections(environment: Environment, release: Release) -> Iterator[str]:
    have = environment.postgres.max_connections
    needed = needed_connections(environment, release) + RESERVED_CONNECTIONS
    if have < needed:
        yield (
            f"postgres.max_connections: {have} is too few for {_pools(environment, release)} Dify "
            f"processes of pool.size + pool.overflow connections; expected at least {needed}"
        )


def _pools(environment: Environment, release: Release) -> int:
    return sum(
        processes(environment, service) * (1 if service.single else len(environment.nodes.dify))
        for service in active(environment, release).values()
        if "database" in service.env
    )


def _sources(environment: Environment, release: Release) -> Iterator[str]:
    known = [*required(environment, release), *CREDENTIALS]
    for name in environment.secrets.sources:
        if name not in known:
            yield (
                f"secrets.sources: {name!r} is no secret of this environment; "
                f"expected some of: {', '.join(known)}"
            )


def _loopback(environment: Environment) -> Iterator[str]:
    storage = environment.storage
    endpoint = urlsplit(storage.endpoint).hostname if storage.kind == "s3" else ""
    hosts = {
        "postgres.host": environment.postgres.host,
        "redis.host": environment.redis.host,
        "storage.endpoint": endpoint or "",
    }
    for key, host in hosts.items():
        if host in ("localhost", "::1") or host.startswith("127."):
            yield (
                f"{key}: {host!r} is each container itself; expected an address of the server "
                "that containers reach"
            )
