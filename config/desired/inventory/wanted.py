"""The fragment as wants, given what the file has already."""

from collections.abc import Iterable, Iterator
from typing import Any

from config.desired.inventory.data import items, mapping
from config.desired.inventory.fragment import Cluster, Entry, Fragment
from config.desired.inventory.groups import Group, Tree, alias, find, groups
from config.desired.inventory.handover import entries_of
from config.desired.inventory.kernel import version
from config.desired.inventory.wants import Entries, Instead, Keep, Members, New
from config.desired.portal import MARK

WORLD = ("world", "all", "0.0.0.0/0")
INTRANET = "intra"  # 10/8, 172.16/12 and 192.168/16, unless node_firewall_intranet says more
RULE = ("user", "db", "addr")
FIRST_WITH_OWNED_PUBLIC = 15
ADMIN_ROLE = "dbrole_admin"
NO_EMAIL = "your@email.com"  # what Pigsty's examples say
PGVECTOR = {"rpm": "pgvector_$v*", "deb": "postgresql-$v-pgvector"}


def wanted(tree: dict[str, Any], fragment: Fragment) -> dict[str, Any]:
    """What must be laid over the file's data."""
    found = find(tree, fragment.postgres.name)
    clusters = [
        (found, fragment.postgres, _databases(tree, fragment, found)),
        (find(tree, fragment.redis.name), fragment.redis, fragment.redis.settings),
    ]
    if fragment.sentinel:
        sentinel = fragment.sentinel
        clusters.append((find(tree, sentinel.name), sentinel, sentinel.settings))
    want: dict[str, Any] = {}
    for group, cluster, settings in clusters:
        _put(
            want,
            group.at if group else ("all", "children", cluster.name),
            _cluster(tree, group, cluster, settings),
        )
    named = (alias(tree, host) for host in fragment.docker_hosts)
    if hosts := [host for host in named if not _has_docker(tree, host)]:
        group = find(tree, fragment.docker_group)
        at = group.at if group else ("all", "children", fragment.docker_group)
        _put(
            want,
            at,
            {"hosts": {host: Keep({}) for host in hosts}, "vars": {"docker_enabled": True}},
        )
    _put(want, ("all", "vars"), _globals(fragment, mapping(tree["all"].get("vars"))))
    return want


def mentions_pgvector(item: Any, _: str) -> bool:
    """An entry of pg_extensions may hold several packages, each by alias or by its own name."""
    return "pgvector" in str(item)


def names_domain(item: Any, domain_line: str) -> bool:
    """Whoever gave the domain an address in this list has decided where it is."""
    return domain_line.split()[1] in str(item).split()[1:]


def _cluster(tree: Tree, group: Group | None, cluster: Cluster, settings: Entry) -> Entry:
    if group:
        return {"vars": settings} if settings else {}
    own = {cluster.identity: cluster.name, **cluster.new, **settings}
    return {"hosts": {alias(tree, host): its for host, its in cluster.hosts.items()}, "vars": own}


def _databases(tree: dict[str, Any], fragment: Fragment, group: Group | None) -> Entry:
    want: Entry = {}
    if packages := _packages(tree, fragment, group):
        want["pg_extensions"] = packages
    want["pg_users"] = Entries((_user(fragment, version(tree, fragment)),))
    want["pg_databases"] = Entries(tuple(map(_database, fragment.databases)))
    want["pg_hba_rules"] = _rules(fragment.hba_rules, _narrowed(fragment, group))
    if fragment.pooler_hba_rules:
        want["pgb_hba_rules"] = _rules(fragment.pooler_hba_rules)
    return want


def _user(fragment: Fragment, major: int | None) -> Entry:
    """Name and password are ours; a role may have more than it needs, but not less.

    Before PostgreSQL 15 the owner of a database may not create in its schema `public`.
    """
    user = fragment.user
    want: Entry = {"name": user["name"], "password": user["password"]}
    want["pgbouncer"] = True if user["pgbouncer"] else New(False)
    if major is not None and major < FIRST_WITH_OWNED_PUBLIC:
        want["roles"] = Members((ADMIN_ROLE,), _same_name)
    return want | {"comment": New(user["comment"])}


def _database(entry: Entry) -> Entry:
    want: Entry = {"name": entry["name"], "owner": Keep(entry["owner"])}
    want["revokeconn"] = New(entry["revokeconn"])
    if entry["extensions"]:
        want["extensions"] = Entries(tuple(entry["extensions"]))
    return want | {"comment": New(entry["comment"])}


def _rules(rules: tuple[Entry, ...], narrowed: Iterable[Entry] = ()) -> Entries:
    records = [{k: v if k in RULE else New(v) for k, v in rule.items()} for rule in rules]
    return Entries((*records, *narrowed), RULE)


def _narrowed(fragment: Fragment, group: Group | None) -> Iterator[Entry]:
    """Rules of Dify's role that are there and let it in from everywhere."""
    there = items(group.value("pg_hba_rules")) if group and fragment.narrow_world else []
    for rule in map(mapping, there):
        known = rule.get("user") == fragment.user["name"] and "db" in rule
        if known and rule.get("addr") in WORLD:
            place = {"user": rule["user"], "db": rule["db"]}
            yield place | {"addr": Instead(rule["addr"], INTRANET)}


def _packages(tree: dict[str, Any], fragment: Fragment, group: Group | None) -> Members | None:
    """The package of pgvector; a cluster's own list hides the one for all clusters."""
    above = mapping(tree["all"].get("vars"))
    there = group.value("pg_extensions") if group else above.get("pg_extensions")
    listed = items(there)
    if not fragment.packages or any(mentions_pgvector(item, "") for item in listed):
        return None
    if fragment.generation.aliases:
        return Members(fragment.packages, mentions_pgvector, tuple(listed))
    if there is None:
        return None  # the role's own list has it
    family = "deb" if any(str(item).find("postgresql-$") >= 0 for item in listed) else "rpm"
    return Members((PGVECTOR[family],), mentions_pgvector, tuple(listed))


def _has_docker(tree: dict[str, Any], host: str) -> bool:
    places = [group for group in groups(tree) if host in group.hosts]
    values = [
        mapping(group.hosts[host]).get("docker_enabled", group.value("docker_enabled"))
        for group in places
    ]
    return any(values)


def _globals(fragment: Fragment, there: Entry) -> Entry:
    generation = fragment.generation
    want: Entry = {}
    if fragment.proxy:
        want["proxy_env"] = {"no_proxy": Keep(generation.no_proxy), **fragment.proxy}
    if fragment.portal and not (fragment.takes_domain and _is_served(fragment, there)):
        others = {} if there.get("infra_portal") else generation.infra_portal
        entry = mapping(mapping(there.get("infra_portal")).get(fragment.portal_entry))
        own = str(entry.get("config") or MARK)
        ours = {k: v for k, v in fragment.portal.items() if k != "config" or own.startswith(MARK)}
        want["infra_portal"] = {**others, fragment.portal_entry: ours}
    if fragment.certbot_email and there.get("certbot_email") in (None, NO_EMAIL):
        want["certbot_email"] = fragment.certbot_email
    line = f"${{admin_ip}} {fragment.domain}"
    if fragment.domain_record == "dnsmasq":
        want["dns_records"] = Members((line,), names_domain, generation.dns_records)
    elif fragment.domain_record == "hosts":
        want["node_etc_hosts"] = Members((line,), names_domain)
    return want


def _is_served(fragment: Fragment, there: Entry) -> bool:
    """Whether an entry of another one serves the domain."""
    portal = mapping(there.get("infra_portal"))
    return bool(entries_of(portal, fragment.domain, fragment.portal_entry))


def _same_name(item: Any, ours: str) -> bool:
    return ours in (item, mapping(item).get("name"))


def _put(want: Entry, at: tuple[str, ...], value: Entry) -> None:
    for part in at[:-1]:
        want = want.setdefault(part, {})
    if value:
        want[at[-1]] = value
