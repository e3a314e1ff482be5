"""Whether a parsed file has the shape of an inventory, as far as we read or edit it."""

from collections.abc import Iterator
from typing import Any

from config.desired.inventory.data import is_list, is_mapping, items, mapping
from config.desired.inventory.document import Path

LISTS_OF_RECORDS = ("pg_users", "pg_databases", "pg_hba_rules", "pgb_hba_rules")
LISTS = ("pg_extensions", "dns_records", "node_etc_hosts")
MAPPINGS = ("infra_portal", "proxy_env")

Found = Iterator[tuple[Path, str]]


def misshapen(tree: dict[str, Any]) -> Found:
    """Every place and what is wrong there; what is expected."""
    if not is_mapping(tree.get("all")):
        yield ("all",), "missing; expected the top group, with children and vars"
        return
    if tree["all"].get("children") is None:
        yield ("all", "children"), "missing; expected the groups of machines"
    yield from _group(tree["all"], ("all",))


def _group(body: Any, at: Path) -> Found:
    for key in ("children", "hosts", "vars"):
        value = body.get(key)
        if value is not None and not is_mapping(value):
            yield (*at, key), f"{_kind(value)}; expected a mapping"
        elif key == "children":
            for name, child in mapping(value).items():
                if is_mapping(child):
                    yield from _group(child, (*at, key, name))
                elif child is not None:
                    yield (*at, key, name), f"{_kind(child)}; expected a group with hosts"
        elif key == "hosts":
            for name, host in mapping(value).items():
                yield from _host(host, (*at, key, name))
        else:
            yield from _vars(mapping(value), (*at, key))


def _host(host: Any, at: Path) -> Found:
    if host is not None and not is_mapping(host):
        yield at, f"{_kind(host)}; expected a mapping of the machine's variables"
        return
    instances = mapping(host).get("redis_instances", {})
    if not is_mapping(instances):
        yield (
            (*at, "redis_instances"),
            f"{_kind(instances)}; expected a mapping of ports, like {{ 6379: {{}} }}",
        )


def _vars(values: dict[str, Any], at: Path) -> Found:
    for key in MAPPINGS:
        if not is_mapping(values.get(key) or {}):
            yield (*at, key), f"{_kind(values[key])}; expected a mapping"
    for name, entry in mapping(values.get("infra_portal")).items():
        if not is_mapping(entry or {}):
            yield (*at, "infra_portal", name), f"{_kind(entry)}; expected a mapping"
    for key in (*LISTS, *LISTS_OF_RECORDS):
        value = values.get(key)
        if not is_list(value or []):
            yield (*at, key), f"{_kind(value)}; expected a list"
        elif key in LISTS_OF_RECORDS:
            for index, item in enumerate(items(value)):
                if not is_mapping(item):
                    yield (*at, key, index), f"{_kind(item)}; expected a mapping"
                elif key in ("pg_users", "pg_databases") and not item.get("name"):
                    yield (*at, key, index), "without a name; expected the key 'name'"


def _kind(value: Any) -> str:
    if is_list(value):
        return "a list"
    return "a mapping" if is_mapping(value) else "a single value"
