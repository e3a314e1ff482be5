"""What an environment on Pigsty must hold for its parts to work together."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from config.environment import Environment
from config.release import Release

DIRECT = 5432
POOLER = 6432
POOLED_PRIMARY = 5433
PRIMARY = 5436
READ_ONLY = {5434: "replicas", 5438: "offline replicas"}
DIRECTLY = {POOLER: DIRECT, POOLED_PRIMARY: PRIMARY}
SENTINEL_PORT = 26379
FEWEST_SENTINELS = 3
PRIVATE = ("pigsty", "local", "localhost", "internal", "intranet", "lan", "home", "corp", "test",
           "example", "invalid", "arpa")  # fmt: skip


def pooled(environment: Environment) -> bool:
    """Whether Dify's connections go through pgbouncer."""
    return environment.platform.kind == "pigsty" and environment.postgres.port in DIRECTLY


def migration_variables(environment: Environment) -> dict[str, str]:
    """Migrations go past pgbouncer, as everything that wants a session of its own."""
    if not pooled(environment):
        return {}
    return {"DB_PORT": str(DIRECTLY[environment.postgres.port])}


def sentinels(environment: Environment) -> list[str]:
    """Where Dify asks for Redis' primary; empty if there is only one address."""
    if environment.platform.kind != "pigsty" or environment.pigsty.redis_mode != "sentinel":
        return []
    return environment.redis.sentinels


def sentinel_nodes(environment: Environment) -> list[str]:
    """The machines that get a Sentinel."""
    return [place.rpartition(":")[0] for place in environment.redis.sentinels]


def by_hand(environment: Environment) -> bool:
    """Whether the portal's file is ours: an entry of infra_portal leads to one address only, and
    presents the certificate that all entries share.
    """
    portal = environment.portal
    several = portal.route == "services" or len(environment.nodes.dify) > 1
    return several or bool(portal.certificate)


def dify_addresses(environment: Environment) -> list[str]:
    """The machines of Dify as pigsty.yml names them."""
    return environment.nodes.addresses or [environment.pigsty.admin_ip]


def check(environment: Environment, release: Release) -> list[str]:
    """Every problem as `path.to.key: what is wrong; what is expected`."""
    if environment.platform.kind != "pigsty":
        return []
    return [
        *_paths(environment),
        *_version(environment, release),
        *_service(environment),
        *_redis(environment),
        *_sentinels(environment),
        *_failover(environment, release),
        *_inside(environment),
        *_portal(environment),
        *_reach(environment),
    ]


def _paths(environment: Environment) -> Iterator[str]:
    pigsty = environment.pigsty
    paths = {"home": str(pigsty.home), "source": pigsty.source, "packages": pigsty.packages}
    for key, path in paths.items():
        if path and not path.startswith("/"):
            yield f"pigsty.{key}: {path!r} is relative; expected an absolute path"


def _version(environment: Environment, release: Release) -> Iterator[str]:
    needs, version = release.postgres, environment.pigsty.pg_version
    if version and not needs.takes(version):
        yield (
            f"pigsty.pg_version: Dify {release.version} does not run on PostgreSQL {version}; "
            f"{needs.expected}"
        )


def _service(environment: Environment) -> Iterator[str]:
    """Which of Pigsty's service ports Dify may use."""
    port, nodes = environment.postgres.port, environment.pigsty.pg_nodes
    if port in READ_ONLY:
        yield (
            f"postgres.port: {port} leads to {READ_ONLY[port]}, which take no writes; "
            f"expected {PRIMARY} (the primary)"
        )
    if port in (DIRECT, POOLER) and len(nodes) > 1:
        yield (
            f"postgres.port: {port} is one server and does not follow a failover; expected "
            f"{PRIMARY} (the primary) or {POOLED_PRIMARY} (the primary through pgbouncer)"
        )
    if pooled(environment) and environment.pigsty.version.startswith(("v1.", "v2.")):
        yield (
            f"postgres.port: {port} is pgbouncer, which Pigsty {environment.pigsty.version} sets "
            "up to refuse the start-up options and prepared statements Dify sends; "
            f"expected {PRIMARY} (the primary) or {DIRECT}"
        )


def _redis(environment: Environment) -> Iterator[str]:
    pigsty, redis = environment.pigsty, environment.redis
    mode, nodes = pigsty.redis_mode, pigsty.redis_nodes
    if mode == "standalone" and len(nodes) > 1:
        yield (
            f"pigsty.redis_nodes: redis_mode 'standalone' is one machine, here are {len(nodes)}; "
            "expected one, or redis_mode 'replica' or 'sentinel'"
        )
    if mode != "standalone" and len(nodes) == 1:
        yield (f"pigsty.redis_nodes: redis_mode {mode!r} needs a replica; expected two or more")
    by_address = redis.host[-1].isdigit()
    if mode == "standalone" and len(nodes) == 1 and by_address and redis.host != nodes[0]:
        yield f"redis.host: {redis.host!r} is not in pigsty.redis_nodes; expected {nodes[0]!r}"


def _sentinels(environment: Environment) -> Iterator[str]:
    pigsty = environment.pigsty
    sentinels = sentinel_nodes(environment)
    for place in environment.redis.sentinels:
        if not re.fullmatch(rf"[0-9.]+:{SENTINEL_PORT}", place):
            yield (
                f"redis.sentinels: {place!r} is none that Pigsty makes; "
                f"expected address:{SENTINEL_PORT}"
            )
    if pigsty.redis_mode != "sentinel":
        if sentinels:
            yield (
                f"redis.sentinels: redis_mode is {pigsty.redis_mode!r}; "
                "expected none, or redis_mode 'sentinel'"
            )
        return
    if len(sentinels) < FEWEST_SENTINELS:
        yield (
            f"redis.sentinels: {len(sentinels)} cannot outvote a lost one; "
            f"expected {FEWEST_SENTINELS} or more machines"
        )
    # Pigsty keeps redis_cluster and redis_instances by machine: it can be in one cluster only.
    for address in sorted(set(sentinels) & set(pigsty.redis_nodes)):
        yield (
            f"redis.sentinels: {address!r} is also in redis_nodes; Pigsty keeps one Redis "
            "cluster a machine, expected another machine"
        )


def _failover(environment: Environment, release: Release) -> Iterator[str]:
    """What of Dify cannot follow Redis' primary to another machine."""
    pigsty, host = environment.pigsty, environment.redis.host
    if pigsty.redis_mode != "sentinel":
        return
    if not release.redis.sentinel:
        yield (
            f"pigsty.redis_mode: Dify {release.version} cannot ask Sentinel; "
            "expected 'standalone' or 'replica'"
        )
    elif not release.redis.event_bus_sentinel and host in pigsty.redis_nodes:
        yield (
            f"redis.host: {host!r} is one machine, and the event bus of Dify {release.version} "
            "does not ask Sentinel; expected an address that follows the primary (HAProxy or a "
            "virtual IP)"
        )


def _inside(environment: Environment) -> Iterator[str]:
    """The containers' network belongs to no machine."""
    pigsty, network = environment.pigsty, IPv4Network(environment.dify.subnet)
    addresses = {
        "pigsty.admin_ip": [pigsty.admin_ip],
        "pigsty.pg_nodes": pigsty.pg_nodes,
        "pigsty.redis_nodes": pigsty.redis_nodes,
        "redis.sentinels": [node for node in sentinel_nodes(environment) if node[-1].isdigit()],
    }
    for key, values in addresses.items():
        for value in values:
            if IPv4Address(value) in network:
                yield (
                    f"{key}: {value!r} is inside dify.subnet, which belongs to the "
                    "containers; expected an address outside it"
                )
            if IPv4Address(value).is_loopback:
                yield (
                    f"{key}: {value!r} is each machine itself; expected the address the "
                    "other machines reach it by"
                )


def _portal(environment: Environment) -> Iterator[str]:
    """What certbot, as Pigsty sets it up, cannot do."""
    if not environment.pigsty.certbot:
        return
    domain, email = environment.portal.domain, environment.dify.admin_email
    if not is_public(domain):
        yield (
            f"pigsty.certbot: {domain!r} is no public name, so Let's Encrypt cannot reach it; "
            "expected false, or a public portal.domain"
        )
    if not environment.portal.tls:
        yield "pigsty.certbot: portal.tls is false, so nothing would present the certificate"
    if not is_public(email.partition("@")[2]):
        yield (
            f"dify.admin_email: {email!r} cannot get mail, and Let's Encrypt registers it; "
            "expected an address of a public domain, or pigsty.certbot = false"
        )
    if by_hand(environment):
        yield (
            "pigsty.certbot: Pigsty's certbot knows entries of infra_portal only, and this "
            "portal's file is written by hand (portal.route 'services', or several nodes.dify); "
            "expected false"
        )


def is_public(name: str) -> bool:
    """Whether a public authority can sign for the name."""
    return "." in name and name.rpartition(".")[2] not in PRIVATE


def _reach(environment: Environment) -> Iterator[str]:
    nodes = environment.nodes
    if not nodes.addresses and nodes.dify != [nodes.admin]:
        yield (
            f"nodes.addresses: none for {nodes.dify[0]!r}, which is not the admin node; "
            "expected the address at which the portal reaches it"
        )
