"""Advice names a systemd unit only where that unit was seen on the machine."""

import ast
import re
from collections.abc import Iterator

from config.load import ROOT

# A text for people; the words of a command are one string each.
NAMED = re.compile(r"\b(?:systemctl|journalctl) \S")
SEEN = {"tasks/platforms/pigsty/redis.py": "systemctl status {unit} there, and start it"}


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string of the module, `{name}` where a value is put in; docstrings are for readers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr | ast.JoinedStr):
            continue
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.JoinedStr):
                yield ast.unparse(child)[2:-1]
            elif isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield child.value


def advising() -> Iterator[tuple[str, str]]:
    for floor in ("config", "clients", "blocks", "tasks", "flows", "cli"):
        for path in sorted((ROOT / floor).rglob("*.py")):
            for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
                if NAMED.search(text):
                    yield str(path.relative_to(ROOT)), text


def test_no_text_names_a_unit_that_nobody_looked_for() -> None:
    assert dict(advising()) == SEEN
