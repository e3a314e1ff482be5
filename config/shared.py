"""What two environments must not have in common: a home, a stack, a database, a Redis database."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from config.environment.nodes import LOCAL

Tree = Mapping[str, Any]
Claim = tuple[str, ...]
Claims = Mapping[Claim, str]


def clashes(mine: Claims, others: Mapping[str, Claims]) -> Iterator[tuple[str, str]]:
    """Key and message of what another environment claims, too; the first thing of each."""
    for name, claims in others.items():
        for claim in (claim for claim in mine if claim in claims):
            yield (
                mine[claim],
                f"{' '.join(claim)} belongs to the environment {name} ({claims[claim]} there); "
                "expected one that no other environment uses",
            )
            break


def claims(tree: Tree, root: Path) -> Claims:
    """What an environment calls its own → the key that says so.

    `root`: what a relative `sandbox.home` lies in. A file that is not complete claims what it
    has: what is wrong with it is said when it is used.
    """
    return dict(_claims(tree, root))


def _claims(tree: Tree, root: Path) -> Iterator[tuple[Claim, str]]:
    sandbox = _at(tree, "platform", "kind") == "sandbox"
    if sandbox:
        yield ("the directory", str(root / str(_at(tree, "sandbox", "home")))), "sandbox.home"
    nodes: list[str] = _at(tree, "nodes", "dify") or []
    for node in nodes:
        # `local` is the same machine for all sandboxes of a checkout; others may have one each.
        if node != LOCAL or sandbox:
            place = f"on {node}"
            yield ("the compose project", str(_at(tree, "dify", "project")), place), "dify.project"
    for section, what, keys in (
        ("postgres", "the database", ("database", "plugin_database")),
        ("redis", "the Redis database", ("database", "broker_database")),
    ):
        host, port = _at(tree, section, "host"), _at(tree, section, "port")
        for key in keys if host else ():
            yield (what, f"{host}:{port}/{_at(tree, section, key)}"), f"{section}.{key}"


def _at(tree: Tree, section: str, key: str) -> Any:
    found = tree.get(section)
    return cast(Tree, found).get(key) if isinstance(found, Mapping) else None
