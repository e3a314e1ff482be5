"""Values on which Pigsty's playbooks stop half-way, or take a running service down with them."""

import re
from collections.abc import Iterator
from typing import Any

from config.desired.inventory.data import items, mapping
from config.desired.inventory.document import Path
from config.desired.inventory.groups import groups

NAME = re.compile(r"[a-z_][a-z0-9_@.-]{0,62}")
MEMORY = re.compile(r"\d+([kmg]b?)?", re.IGNORECASE)
SENDERS = ("local", "localhost", "admin", "infra", "cluster", "intra", "intranet", "world", "all")
ADDRESS = re.compile(r"(\d{1,3}\.){3}\d{1,3}(/([0-9]|[12][0-9]|3[0-2]))?")
METHODS = (
    "deny", "pwd", "ssl", "sha", "cert", "ssl-md5", "ssl-sha", "md5", "os", "ident", "peer",
    "trust", "reject", "scram-sha-256",
)  # fmt: skip
ROLES = ("default", "common", "primary", "replica", "offline", "standby", "delayed")
TARGETS = ("endpoint", "path", "conf")
TEMPLATE = "{{"

Found = Iterator[tuple[Path, str]]


def unusable(tree: dict[str, Any]) -> Found:
    """Every place and what is wrong there; what is expected. The shape of `tree` is right."""
    top: Path = ("all", "vars")
    yield from _of(mapping(tree["all"].get("vars")), top)
    for group in groups(tree):
        yield from _of(group.vars, (*group.at, "vars"))


def _of(values: dict[str, Any], at: Path) -> Found:
    for index, user in enumerate(items(values.get("pg_users"))):
        name = str(user["name"])
        if not NAME.fullmatch(name) and TEMPLATE not in name:
            yield (
                (*at, "pg_users", index, "name"),
                f"{name!r} is no name Pigsty takes; expected lower-case letters, digits, '_', "
                "'@', '.' and '-', at most 63",
            )
    for key in ("pg_hba_rules", "pgb_hba_rules"):
        for index, rule in enumerate(items(values.get(key))):
            yield from _rule(rule, (*at, key, index))
    memory = str(values.get("redis_max_memory", "1GB"))
    if not MEMORY.fullmatch(memory) and TEMPLATE not in memory:
        yield (
            (*at, "redis_max_memory"),
            f"{memory!r} keeps Redis from starting; expected a size like '256MB'",
        )
    for name, entry in mapping(values.get("infra_portal")).items():
        yield from _entry(str(name), mapping(entry), (*at, "infra_portal", str(name)))


def _rule(rule: dict[str, Any], at: Path) -> Found:
    if rule.get("rules"):
        return
    sender = str(rule.get("addr") or "")
    if not sender:
        yield at, "neither addr nor rules; expected one of them"
    elif sender not in SENDERS and not ADDRESS.fullmatch(sender) and TEMPLATE not in sender:
        yield (
            (*at, "addr"),
            f"{sender!r} is no sender Pigsty knows; expected an IPv4 address or network, or one "
            f"of: {', '.join(SENDERS)}",
        )
    for key, known in (("auth", METHODS), ("role", ROLES)):
        value = str(rule.get(key) or known[1])
        if value not in known and TEMPLATE not in value:
            yield (*at, key), f"{value!r} is unknown; expected one of: {', '.join(known)}"


def _entry(name: str, entry: dict[str, Any], at: Path) -> Found:
    if entry.get("domain") and name != "home" and not any(key in entry for key in TARGETS):
        yield at, "a domain that leads nowhere; expected an endpoint like '10.10.10.10:8080'"
