"""What pigsty.yml must say for Dify: settings → data, nothing read from the file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from config.desired.inventory.generation import Generation
from config.desired.inventory.wants import Entries
from config.desired.nodes import upstreams
from config.desired.portal import entry_config
from config.environment import Environment
from config.errors import ConfigError
from config.pigsty import SENTINEL_PORT, by_hand, dify_addresses, pooled, sentinel_nodes
from config.release import PostgresNeeds, Release
from config.rules.restore_point import DRILL

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group below `all.children`: `hosts` is empty where the cluster stands there already.

    `fixed`: settings a cluster that is there must have; `settings`: what we set in it; `new`: what
    only a cluster of ours gets.
    """

    name: str
    identity: str
    hosts: dict[str, Entry] = field(repr=False)
    fixed: Entry = field(default_factory=dict[str, Any], repr=False)
    settings: Entry = field(default_factory=dict[str, Any], repr=False)
    new: Entry = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """Everything of ours in pigsty.yml, part by part.

    `pg_version` is 0 where the file decides; `needs` says which ones `release` takes.
    `portal` is None where the portal's file is written by hand (`config.pigsty.by_hand`).
    `docker_hosts` need Docker; `domain` goes where `domain_record` says. `takes_domain`: an entry
    of another one may serve it until the portal's turn, and ours waits as long.
    """

    generation: Generation
    release: str
    needs: PostgresNeeds
    admin_ip: str
    pg_version: int
    postgres: Cluster
    postgres_port: int
    user: Entry = field(repr=False)
    databases: tuple[Entry, ...]
    hba_rules: tuple[Entry, ...]
    pooler_hba_rules: tuple[Entry, ...]
    narrow_world: bool
    packages: tuple[str, ...]
    redis: Cluster
    redis_port: int
    sentinel: Cluster | None
    portal_entry: str
    portal: Entry | None
    certbot_email: str
    ports: dict[str, int]
    docker_group: str
    docker_hosts: tuple[str, ...]
    proxy: Entry = field(repr=False)
    domain: str
    domain_record: str
    takes_domain: bool = False


def fragment(
    environment: Environment,
    release: Release,
    secrets: Mapping[str, SecretStr],
    generation: Generation,
) -> Fragment:
    """Pure; `generation` is that of the tree the file lies in.

    Raises:
        ConfigError: a password that Pigsty's templates would break on.
    """
    _refuse_passwords(secrets)
    pigsty, dify, portal = environment.pigsty, environment.dify, environment.portal
    databases = tuple(_databases(environment, release))
    drills = tuple(_drill_databases(environment, databases))
    rules = (*_rules(environment, databases), *_drill_rules(environment, drills))
    return Fragment(
        generation=generation,
        release=release.version,
        needs=release.postgres,
        admin_ip=pigsty.admin_ip,
        pg_version=pigsty.pg_version,
        postgres=_postgres(environment, generation),
        postgres_port=environment.postgres.port,
        user=_user(environment, secrets["postgres_password"].get_secret_value()),
        databases=(*databases, *drills),
        hba_rules=rules,
        pooler_hba_rules=rules if pooled(environment) else (),
        narrow_world=pigsty.narrow_world,
        packages=("pgvector",) if "vector" in release.postgres.extensions else (),
        redis=_redis(environment, secrets["redis_password"].get_secret_value(), generation),
        redis_port=environment.redis.port,
        sentinel=_sentinel(environment, secrets["redis_password"].get_secret_value()),
        portal_entry=dify.project,
        portal=_portal(environment, generation),
        certbot_email=environment.dify.admin_email if pigsty.certbot else "",
        ports={"nginx_port": portal.http_port, "nginx_ssl_port": portal.https_port},
        docker_group=dify.project,
        docker_hosts=tuple(dify_addresses(environment)),
        proxy=_proxy(environment.docker.proxy),
        domain=portal.domain,
        domain_record="none" if portal.is_address else pigsty.domain_record,
    )


def _proxy(url: str) -> Entry:
    return dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), url) if url else {}


def _postgres(environment: Environment, generation: Generation) -> Cluster:
    pigsty = environment.pigsty
    new: Entry = {"pg_version": pigsty.pg_version} if pigsty.pg_version else {}
    if generation.removes_on_rerun:
        new["pg_safeguard"] = True
    return Cluster(
        name=pigsty.pg_cluster,
        identity="pg_cluster",
        hosts={
            host: {"pg_seq": number, "pg_role": "primary" if number == 1 else "replica"}
            for number, host in enumerate(pigsty.pg_nodes, start=1)
        },
        new=new,
    )


def _user(environment: Environment, password: str) -> Entry:
    return {
        "name": environment.postgres.user,
        "password": password,
        "pgbouncer": pooled(environment),
        "comment": "Dify",
    }


def _databases(environment: Environment, release: Release) -> Iterable[Entry]:
    """That of plugins stays empty before 1.0; a restore point has both of every release."""
    postgres, needs = environment.postgres, release.postgres
    for name, extensions, comment in (
        (postgres.database, needs.extensions, "Dify"),
        (postgres.plugin_database, needs.plugin_extensions, "plugins of Dify"),
    ):
        yield {
            "name": name,
            "owner": postgres.user,
            "revokeconn": True,
            "extensions": [{"name": extension} for extension in extensions],
            "comment": comment,
        }


def _drill_databases(environment: Environment, databases: Iterable[Entry]) -> Iterable[Entry]:
    """What a drill fills, where restore points are made: only Pigsty can make databases."""
    if environment.backup.repository:
        for entry in databases:
            yield {
                **entry,
                "name": entry["name"] + DRILL,
                "comment": f"drills: {entry['comment']}",
            }


def _rules(environment: Environment, databases: tuple[Entry, ...]) -> Iterable[Entry]:
    return _admitted(environment, databases, environment.dify.subnet, "Dify")


def _drill_rules(environment: Environment, databases: tuple[Entry, ...]) -> Iterable[Entry]:
    if databases:
        yield from _admitted(environment, databases, environment.drill.subnet, "a drill")


def _admitted(
    environment: Environment, databases: tuple[Entry, ...], subnet: str, whom: str
) -> Iterable[Entry]:
    """Containers keep their address on the server's machine; elsewhere that of theirs arrives.

    Pigsty's own rule for the pooler, which comes through the socket, is for its own roles' members.
    """
    senders = [
        (subnet, "containers"),
        ("cluster", "service ports"),
        *([("localhost", "the pooler")] if pooled(environment) else []),
        *((f"{address}/32", "its node") for address in environment.nodes.addresses),
        (f"{environment.pigsty.admin_ip}/32", "the admin node"),
        *((sender, sender) for sender in environment.pigsty.pg_senders),
    ]
    for sender, who in dict(senders).items():
        yield {
            "user": environment.postgres.user,
            "db": ",".join(entry["name"] for entry in databases),
            "addr": sender,
            "auth": "pwd",
            "title": f"{whom} from {who}",
        }


def _redis(environment: Environment, password: str, generation: Generation) -> Cluster:
    pigsty, redis = environment.pigsty, environment.redis
    primary = f"{pigsty.redis_nodes[0]} {redis.port}" if pigsty.redis_nodes else ""
    settings: Entry = {
        "redis_max_memory": f"{redis.max_memory_mb}MB",
        "redis_mem_policy": "noeviction",
        "redis_aof_enabled": True,
    }
    if generation.removes_on_rerun:
        settings["redis_clean"] = False
    return Cluster(
        name=pigsty.redis_cluster,
        identity="redis_cluster",
        hosts={
            host: {
                "redis_node": number,
                "redis_instances": {redis.port: {} if number == 1 else {"replica_of": primary}},
            }
            for number, host in enumerate(pigsty.redis_nodes, start=1)
        },
        fixed={"redis_password": password, "redis_mode": "standalone"},
        settings=settings,
        new={"redis_password": password},
    )


def _sentinel(environment: Environment, password: str) -> Cluster | None:
    pigsty, redis = environment.pigsty, environment.redis
    if pigsty.redis_mode != "sentinel":
        return None
    watched = {
        "name": pigsty.redis_cluster,
        "host": pigsty.redis_nodes[0] if pigsty.redis_nodes else redis.host,
        "port": redis.port,
        "password": password,
        "quorum": len(redis.sentinels) // 2 + 1,
    }
    return Cluster(
        name=pigsty.sentinel_cluster,
        identity="redis_cluster",
        hosts={
            host: {"redis_node": number, "redis_instances": {SENTINEL_PORT: {}}}
            for number, host in enumerate(sentinel_nodes(environment), start=1)
        },
        fixed={"redis_password": password, "redis_mode": "sentinel"},
        settings={"redis_sentinel_monitor": Entries((watched,))},
        new={
            "redis_password": password,
            "redis_mode": "sentinel",
            "redis_max_memory": "64MB",
        },
    )


def _portal(environment: Environment, generation: Generation) -> Entry | None:
    portal, dify = environment.portal, environment.dify
    if by_hand(environment):
        return None
    (endpoint,) = upstreams(environment, dify.port)
    entry: Entry = {
        "domain": portal.domain,
        "endpoint": endpoint,
        "websocket": True,
    }
    if generation.enforces_https:
        entry["enforce_https"] = portal.tls
    if environment.pigsty.certbot:
        entry["certbot"] = portal.domain
    if generation.portal_config:
        entry["config"] = entry_config(environment)
    return entry


def _refuse_passwords(secrets: Mapping[str, SecretStr]) -> None:
    problems = [
        f"secret {name}: holds a space, quote, backslash, '#' or '{{', or nothing; expected "
        "others, since Pigsty's templates write it unquoted"
        for name in ("postgres_password", "redis_password")
        if not secrets[name].get_secret_value()
        or any(c in " \t\n'\"\\#{}" for c in secrets[name].get_secret_value())
    ]
    if problems:
        raise ConfigError(problems)
