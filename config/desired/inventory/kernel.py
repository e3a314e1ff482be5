"""Which PostgreSQL the cluster of Dify is, as pigsty.yml says it, and whether Dify takes it."""

from collections.abc import Iterator
from typing import Any

from config.desired.inventory.data import mapping
from config.desired.inventory.document import Path
from config.desired.inventory.fragment import Fragment
from config.desired.inventory.groups import find

# PostgreSQL itself, or a build of it. The others only speak its protocol.
KERNELS = ("pgsql", "citus", "pgtde", "pgedge", "oriole")
Tree = dict[str, Any]


def version(tree: Tree, fragment: Fragment) -> int | None:
    """The major version the cluster has or is made with; None where the file computes it."""
    if fragment.pg_version and not find(tree, fragment.postgres.name):
        return fragment.pg_version
    said = str(_said(tree, fragment, "pg_version", fragment.generation.pg_version)[1])
    return int(said) if said.isdigit() else None


def unfit(tree: Tree, fragment: Fragment) -> Iterator[tuple[Path, str]]:
    """What of it Dify does not run on, or not as the environment says."""
    name, needs = fragment.postgres.name, fragment.needs
    at, mode = _said(tree, fragment, "pg_mode", KERNELS[0])
    if mode not in KERNELS:
        yield (
            at,
            f"{mode!r} is a server on which Dify is not known to run; expected another "
            f"pigsty.pg_cluster, of pg_mode {KERNELS[0]!r}",
        )
        return
    at, said = _said(tree, fragment, "pg_version", fragment.generation.pg_version)
    found = version(tree, fragment)
    if fragment.pg_version and found != fragment.pg_version:
        yield (
            at,
            f"{said} for the cluster {name!r}, and pigsty.pg_version is {fragment.pg_version}; "
            "expected the same, or 0: the version of a cluster is never changed in place",
        )
    elif found is not None and not needs.takes(found):
        yield (
            at,
            f"{found} for the cluster {name!r}, and Dify {fragment.release} does not run on it; "
            f"{needs.expected}",
        )


def _said(tree: Tree, fragment: Fragment, key: str, default: Any) -> tuple[Path, Any]:
    """Where the cluster's value of the key is set, or would be for all, and the value."""
    top: Path = ("all", "vars")
    if group := find(tree, fragment.postgres.name):
        at = (*group.at, "vars") if key in group.vars else top
        return (*at, key), group.value(key, default)
    return (*top, key), mapping(tree["all"].get("vars")).get(key, default)
