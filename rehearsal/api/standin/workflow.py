"""A chain of nodes, run from start to end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from standin.nodes import KINDS, Known


@dataclass(frozen=True)
class Step:
    """One node has run; `error` ends the run."""

    node: str
    kind: str
    title: str
    outputs: dict[str, Any]
    error: str | None = None


def run(graph: dict[str, Any], inputs: dict[str, Any]) -> Iterator[Step]:
    nodes = {node["id"]: node["data"] for node in graph["nodes"]}
    after = {edge["source"]: edge["target"] for edge in graph["edges"]}
    at = next((name for name, data in nodes.items() if data["type"] == "start"), None)
    known: Known = {}
    while at is not None:
        data = nodes[at]
        kind, title = data["type"], data.get("title", "")
        try:
            known[at] = inputs if kind == "start" else KINDS[kind](data, known)
        except KeyError as error:
            yield Step(at, kind, title, {}, f"the rehearsal does not know {error}")
            return
        except Exception as error:  # noqa: BLE001
            yield Step(at, kind, title, {}, str(error))
            return
        yield Step(at, kind, title, known[at])
        at = after.get(at)
