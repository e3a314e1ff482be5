"""What the code can say: its texts, with `…` for what is put in when it runs."""

import ast
from collections.abc import Iterator
from functools import cache

from config.load import ROOT

FLOORS = ("config", "clients", "blocks", "tasks", "flows", "cli")


@cache
def sentences() -> list[str]:
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    return [
        " ".join(text.split())
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for text in _text(node)
    ]


def _text(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        yield "".join(map(str, parts))
