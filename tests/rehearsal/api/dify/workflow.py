"""A graph of start, variable-aggregator, template-transform and end nodes, run for real."""

from collections.abc import Iterator
from typing import Any


def run(graph: dict[str, Any], inputs: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events in order: `node_finished` for each node, then `workflow_finished`."""
    nodes = {node["id"]: node["data"] for node in graph["nodes"]}
    after = {edge["source"]: edge["target"] for edge in graph["edges"]}
    at = next(name for name, data in nodes.items() if data["type"] == "start")
    known: dict[str, dict[str, Any]] = {at: inputs}
    outputs: dict[str, Any] = {}
    while True:
        data = nodes[at]
        if data["type"] == "variable-aggregator":
            values = [known[s[0]].get(s[1]) for s in data["variables"] if s[0] in known]
            known[at] = {"output": next((v for v in values if v is not None), None)}
        elif data["type"] == "end":
            outputs = {
                o["variable"]: known[o["value_selector"][0]].get(o["value_selector"][1])
                for o in data["outputs"]
            }
            known[at] = outputs
        yield "node_finished", {"node_id": at, "node_type": data["type"], "outputs": known.get(at)}
        if at not in after:
            break
        at = after[at]
    yield "workflow_finished", {"status": "succeeded", "outputs": outputs}
