"""What the file says that must not be changed silently: it or the environment has to give way."""

from collections.abc import Iterator
from typing import Any

from config.desired.inventory.data import items, mapping
from config.desired.inventory.document import Path
from config.desired.inventory.fragment import Cluster, Fragment
from config.desired.inventory.groups import Group, alias, find, groups
from config.desired.inventory.handover import entries_of
from config.desired.inventory.kernel import unfit
from config.desired.inventory.wanted import WORLD
from config.pigsty import DIRECT, POOLED_PRIMARY, POOLER, PRIMARY

Conflict = tuple[Path, str]
Tree = dict[str, Any]


def conflicts(tree: Tree, fragment: Fragment) -> Iterator[Conflict]:
    """Every place and what is wrong there; what is expected."""
    there = mapping(tree["all"].get("vars"))
    if there.get("admin_ip", fragment.admin_ip) != fragment.admin_ip:
        yield (
            ("all", "vars", "admin_ip"),
            f"{there['admin_ip']!r} is not pigsty.admin_ip; expected {fragment.admin_ip!r}",
        )
    yield from _cluster(tree, fragment.postgres, "pigsty.pg_cluster", "pigsty.pg_nodes")
    yield from _cluster(tree, fragment.redis, "pigsty.redis_cluster", "pigsty.redis_nodes")
    if fragment.sentinel:
        yield from _cluster(tree, fragment.sentinel, "pigsty.redis_cluster", "redis.sentinels")
    group = find(tree, fragment.postgres.name)
    if group or fragment.postgres.hosts:
        yield from unfit(tree, fragment)
    if group:
        yield from _failover(group, fragment)
        yield from _user(group, fragment)
        yield from _databases(group, fragment)
    yield from _redis(tree, fragment)
    yield from _portal(mapping(there.get("infra_portal")), fragment)
    yield from _ports(there, fragment)
    yield from _docker(tree, fragment)


def _cluster(tree: Tree, cluster: Cluster, key: str, nodes: str) -> Iterator[Conflict]:
    group = find(tree, cluster.name)
    renamed = [g for g in groups(tree) if g.vars.get(cluster.identity) == cluster.name != g.name]
    for other in renamed:
        yield (
            other.at,
            f"holds the cluster {cluster.name!r} under another name; "
            "expected the group to be named as its cluster",
        )
    if group:
        yield from _same_cluster(tree, group, cluster, key, nodes)
    elif not cluster.hosts and not renamed:
        there = [g.name for g in groups(tree) if cluster.identity in g.vars]
        yield (
            ("all", "children"),
            f"no cluster {cluster.name!r}; expected {nodes} to make it on, or {key} to be one of: "
            f"{', '.join(there) or 'none there'}",
        )
    elif not renamed:
        yield from _taken(tree, cluster, key, nodes)


def _same_cluster(
    tree: Tree, group: Group, cluster: Cluster, key: str, nodes: str
) -> Iterator[Conflict]:
    named = group.vars.get(cluster.identity, cluster.name)
    if named != cluster.name:
        yield (
            (*group.at, "vars", cluster.identity),
            f"{named!r} in the group {cluster.name!r}; expected {cluster.name!r}",
        )
    if cluster.hosts and set(group.hosts) != {alias(tree, host) for host in cluster.hosts}:
        yield (
            (*group.at, "hosts"),
            f"{', '.join(map(str, group.hosts)) or 'none'} instead of "
            f"{', '.join(cluster.hosts)}; expected the machines of {nodes}, or another {key}",
        )


def _taken(tree: Tree, cluster: Cluster, key: str, nodes: str) -> Iterator[Conflict]:
    machines = {alias(tree, host) for host in cluster.hosts}
    for other in groups(tree):
        for host in other.hosts if cluster.identity in other.vars else ():
            if host in machines:
                yield (
                    (*other.at, "hosts", host),
                    f"is a machine of {other.name!r} already, and Pigsty keeps one such "
                    f"cluster a machine; expected another machine in {nodes}, or {key} to be "
                    f"{other.name!r}",
                )


def _failover(group: Group, fragment: Fragment) -> Iterator[Conflict]:
    port = fragment.postgres_port
    if len(group.hosts) > 1 and port in (DIRECT, POOLER):
        yield (
            (*group.at, "hosts"),
            f"{len(group.hosts)} machines, and postgres.port {port} is one of them, which does not "
            f"follow a failover; expected postgres.port {PRIMARY} (the primary) or "
            f"{POOLED_PRIMARY} (the primary through pgbouncer)",
        )


def _user(group: Group, fragment: Fragment) -> Iterator[Conflict]:
    name = fragment.user["name"]
    at = (*group.at, "vars", "pg_users", name)
    for entry in _named(group.vars.get("pg_users"), name):
        if entry.get("superuser"):
            yield (*at, "superuser"), "true; expected false: Dify needs no superuser"
        if entry.get("state", "create") != "create":
            yield (*at, "state"), f"{entry['state']!r} would drop the role; expected 'create'"


def _databases(group: Group, fragment: Fragment) -> Iterator[Conflict]:
    for wanted in fragment.databases:
        at = (*group.at, "vars", "pg_databases", wanted["name"])
        for entry in _named(group.vars.get("pg_databases"), wanted["name"]):
            if entry.get("owner", wanted["owner"]) != wanted["owner"]:
                yield (
                    (*at, "owner"),
                    f"{entry['owner']!r} instead of {wanted['owner']!r}; expected the owner to be "
                    "postgres.user, or another database",
                )
            if entry.get("state", "create") != "create":
                yield (
                    (*at, "state"),
                    f"{entry['state']!r} would drop the database; expected 'create'",
                )


def _redis(tree: Tree, fragment: Fragment) -> Iterator[Conflict]:
    for cluster in (fragment.redis, fragment.sentinel):
        group = find(tree, cluster.name) if cluster else None
        if not group or not cluster:
            continue
        if str(group.value("redis_password", "")) != cluster.fixed["redis_password"]:
            yield (
                (*group.at, "vars", "redis_password"),
                "is not the secret redis_password; expected the same: give its value to the "
                "environment's secrets, or name a pigsty.redis_cluster of other machines",
            )
        ports = [port for host in group.hosts.values() for port in _instances(host)]
        if cluster is fragment.redis and fragment.redis_port not in ports:
            yield (
                (*group.at, "hosts"),
                f"no Redis on port {fragment.redis_port}; expected redis.port to be one of: "
                f"{', '.join(map(str, ports)) or 'none there'}",
            )
        mode = group.value("redis_mode", "standalone")
        if mode != cluster.fixed["redis_mode"]:
            yield (
                (*group.at, "vars", "redis_mode"),
                f"{mode!r} is a kind of Redis this cluster cannot be; "
                f"expected {cluster.fixed['redis_mode']!r}",
            )


def _portal(portal: Tree, fragment: Fragment) -> Iterator[Conflict]:
    key, domain = fragment.portal_entry, fragment.domain
    at: Path = ("all", "vars", "infra_portal")
    entry = portal.get(key)
    if entry is not None and fragment.portal is None:
        yield (
            (*at, key),
            f"would overwrite the file written for portal.route 'services', {key}.conf; "
            "expected no entry of this name, or another dify.project",
        )
    elif entry is not None:
        if entry.get("domain", domain) != domain:
            yield (
                (*at, key, "domain"),
                f"{entry['domain']!r} is another site; expected {domain!r}, "
                "or another dify.project",
            )
        for instead in ("path", "conf"):
            if entry.get(instead):
                yield (
                    (*at, key, instead),
                    "serves this instead of Dify; expected no such key, or another dify.project",
                )
    for name in () if fragment.takes_domain else entries_of(portal, domain, key):
        yield (
            (*at, name),
            f"serves {domain!r} already; expected one entry for a domain: "
            f"set dify.project to {name!r}, or another portal.domain",
        )


def _ports(there: Tree, fragment: Fragment) -> Iterator[Conflict]:
    usual = {"nginx_port": (80, "http_port"), "nginx_ssl_port": (443, "https_port")}
    for key, (default, setting) in usual.items():
        port = there.get(key, default)
        if port != fragment.ports[key]:
            yield (
                ("all", "vars", key),
                f"the portal answers on {port}, and portal.{setting} is {fragment.ports[key]}; "
                "expected the same",
            )


def _docker(tree: Tree, fragment: Fragment) -> Iterator[Conflict]:
    group = find(tree, fragment.docker_group)
    named = {alias(tree, host) for host in fragment.docker_hosts}
    if group and not named & set(group.hosts):
        yield (
            (*group.at, "hosts"),
            f"{', '.join(map(str, group.hosts)) or 'none'} instead of "
            f"{', '.join(fragment.docker_hosts)}; expected the machines of Dify, "
            "or another dify.project",
        )


def open_rules(tree: Tree, fragment: Fragment) -> list[str]:
    """Rules of Dify's role that let it in from every address, as the recipe wrote one; each says
    what it opens.
    """
    group = find(tree, fragment.postgres.name)
    rules = items(group.value("pg_hba_rules")) if group else []
    return [
        f"its rule {str(rule.get('title') or rule['addr'])!r} lets {rule['user']} into "
        f"{'every database' if rule.get('db', 'all') == 'all' else rule['db']} from every address"
        for rule in map(mapping, rules)
        if rule.get("user") == fragment.user["name"] and rule.get("addr") in WORLD
    ]


def _instances(host: Any) -> list[Any]:
    return list(mapping(mapping(host).get("redis_instances")))


def _named(entries: Any, name: str) -> list[Tree]:
    return [entry for entry in items(entries) if entry.get("name") == name]
