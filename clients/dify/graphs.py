"""Graphs small enough to read and real enough to run, as the console's editor writes them."""

from typing import Any

Graph = dict[str, Any]
_QUESTION: dict[str, Any] = {
    "variable": "q",
    "label": "q",
    "type": "text-input",
    "required": True,
    "max_length": 200,
    "options": [],
}


def echo() -> Graph:
    """Gives its input `q` back as `out`."""
    pick = {"type": "variable-aggregator", "output_type": "string", "variables": [["start", "q"]]}
    return _chain(pick, "output")


def reverse() -> Graph:
    """Gives its input `q` back as `out`, turned round by Python code in Dify's sandbox."""
    turn = {
        "type": "code",
        "code_language": "python3",
        "code": "def main(q: str) -> dict:\n    return {'result': q[::-1]}\n",
        "variables": [{"variable": "q", "value_selector": ["start", "q"]}],
        "outputs": {"result": {"type": "string", "children": None}},
    }
    return _chain(turn, "result")


def _chain(middle: dict[str, Any], output: str) -> Graph:
    """Start, the node in the middle, end."""
    result = {"variable": "out", "value_selector": ["middle", output], "value_type": "string"}
    chain = {
        "start": {"type": "start", "variables": [_QUESTION]},
        "middle": middle,
        "end": {"type": "end", "outputs": [result]},
    }
    return {
        "nodes": [_node(name, data, i) for i, (name, data) in enumerate(chain.items())],
        "edges": [
            _edge("start", "middle", "start", str(middle["type"])),
            _edge("middle", "end", str(middle["type"]), "end"),
        ],
        "viewport": {"x": 0, "y": 0, "zoom": 1},
    }


def _node(name: str, data: dict[str, Any], column: int) -> dict[str, Any]:
    position = {"x": 80 + 300 * column, "y": 280}
    return {
        "id": name,
        "type": "custom",
        "position": position,
        "positionAbsolute": position,
        "sourcePosition": "right",
        "targetPosition": "left",
        "width": 244,
        "height": 90,
        "data": {"title": name, "desc": "", "selected": False, **data},
    }


def _edge(source: str, target: str, source_type: str, target_type: str) -> dict[str, Any]:
    return {
        "id": f"{source}-{target}",
        "type": "custom",
        "source": source,
        "sourceHandle": "source",
        "target": target,
        "targetHandle": "target",
        "zIndex": 0,
        "data": {
            "sourceType": source_type,
            "targetType": target_type,
            "isInIteration": False,
            "isInLoop": False,
        },
    }
