"""What the inventory should say for Dify, and what it says of its clusters."""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from config.desired.inventory.data import mapping
from config.desired.inventory.document import read
from config.desired.inventory.fragment import Fragment, fragment
from config.desired.inventory.generation import V4, of_version
from config.desired.inventory.groups import Group, alias, find, groups
from config.errors import ConfigError
from tasks.core.site import Site
from tasks.platforms.pigsty.tree import inventory, tree

WAYS = ("ansible_connection", "ansible_host", "ansible_port", "ansible_ssh_host",
        "ansible_ssh_port", "ansible_ssh_executable")  # fmt: skip
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_ELSEWHERE = re.compile(r"(^|\s)-[JpFW]|Proxy|HostName|Port=|Port ", re.IGNORECASE)


def desired(site: Site) -> Fragment:
    """The part of the inventory that is Dify's, as the tree that is there writes it."""
    found = tree(site)
    generation = of_version(found.version) if found else V4
    ours = fragment(site.environment, site.release, site.secrets, generation)
    return replace(ours, takes_domain=site.adopting)


def portal_config(site: Site) -> str:
    """Directives that pigsty.yml gives the server of the portal's entry."""
    text = inventory(site)
    values = mapping(mapping(read(text).tree["all"]).get("vars")) if text else {}
    portal = mapping(values.get("infra_portal"))
    return str(mapping(portal.get(site.environment.dify.project)).get("config") or "")


def nodes_of(site: Site, cluster: str) -> tuple[str, ...]:
    """Addresses of the cluster's machines in pigsty.yml; none where it is not in there yet."""
    text = inventory(site)
    return _hosts(text, cluster) if text else ()


def cluster(site: Site, name: str) -> Group | None:
    """The cluster's group in pigsty.yml; None where it is not in there yet."""
    text = inventory(site)
    return _group(text, name) if text else None


def primary_of(site: Site, cluster: str) -> str:
    """The machine of the PostgreSQL cluster that pigsty.yml calls its primary; empty: none."""
    return _primary(inventory(site) or "", cluster)


@lru_cache(maxsize=8)
def _primary(text: str, cluster: str) -> str:
    group = _group(text, cluster) if text else None
    hosts: dict[Any, dict[str, Any] | None] = group.hosts if group else {}
    known = (str(host) for host, its in hosts.items() if (its or {}).get("pg_role") == "primary")
    return next(known, "")


def is_known(site: Site, address: str) -> bool:
    """Whether pigsty.yml has the machine, so that Ansible can be asked for it."""
    text = inventory(site)
    return bool(text) and address in _machines(text or "")


@lru_cache(maxsize=8)
def _machines(text: str) -> frozenset[str]:
    try:
        document: dict[str, Any] = read(text).tree
    except ConfigError:
        return frozenset()
    known = groups(document) if isinstance(document.get("all"), dict) else ()
    return frozenset(str(host) for group in known for host in group.hosts)


@lru_cache(maxsize=8)
def _hosts(text: str, cluster: str) -> tuple[str, ...]:
    group = _group(text, cluster)
    return tuple(map(str, group.hosts)) if group else ()


def instances_of(site: Site, cluster: str) -> tuple[tuple[str, int], ...]:
    """Address and port of every Redis of the cluster in pigsty.yml, or as it will be there."""
    text = inventory(site)
    if found := _instances(text, cluster) if text else ():
        return found
    ours = desired(site)
    wanted = [known for known in (ours.redis, ours.sentinel) if known and known.name == cluster]
    return tuple(
        (host, int(port))
        for known in wanted
        for host, values in known.hosts.items()
        for port in values["redis_instances"]
    )


@lru_cache(maxsize=8)
def _instances(text: str, cluster: str) -> tuple[tuple[str, int], ...]:
    group = _group(text, cluster)
    hosts: dict[str, dict[str, Any] | None] = group.hosts if group else {}
    found: list[tuple[str, int]] = []
    for host, values in hosts.items():
        instances: dict[Any, Any] = (values or {}).get("redis_instances") or {}
        found += [(str(host), int(port)) for port in instances]
    return tuple(found)


def named(site: Site, address: str) -> str:
    """The machine's name in pigsty.yml, where it may stand under another one than its address."""
    return _alias(inventory(site) or "", address)


@lru_cache(maxsize=8)
def _alias(text: str, address: str) -> str:
    document = _readable(text)
    return alias(document, address) if document else address


@lru_cache(maxsize=8)
def _readable(text: str) -> dict[str, Any]:
    """The inventory's tree; empty where it cannot be read or has no hosts."""
    try:
        document: dict[str, Any] = read(text).tree
    except ConfigError:
        return {}
    return document if isinstance(document.get("all"), dict) else {}


def reached_its_own_way(site: Site, address: str) -> bool:
    """Whether pigsty.yml leads Ansible elsewhere than to the address: to another machine, perhaps.

    Who logs in there, with which key, and how he becomes root, does not.
    """
    text = inventory(site)
    return bool(text) and _has_own_way(text or "", address)


@lru_cache(maxsize=8)
def _has_own_way(text: str, address: str) -> bool:
    document = _readable(text)
    if not document:
        return False
    known: list[dict[str, Any]] = [document["all"].get("vars") or {}]
    for group in groups(document):
        if address in group.hosts:
            known += [group.vars, group.above, group.hosts[address] or {}]
    return any(_leads_elsewhere(str(k), str(v)) for values in known for k, v in values.items())


def _leads_elsewhere(key: str, value: str) -> bool:
    return key in WAYS or (key in ARGUMENTS and bool(_ELSEWHERE.search(value)))


def _group(text: str, cluster: str) -> Group | None:
    try:
        document: dict[str, Any] = read(text).tree
    except ConfigError:
        return None
    return find(document, cluster) if isinstance(document.get("all"), dict) else None
