"""Files and functions stay small: read at a sitting, changed without fear.

Lines are those that are not empty; of a function, without its docstring.
"""

import ast
from collections.abc import Iterator
from math import ceil
from statistics import median

from config.load import ROOT

FLOORS = ("config", "clients", "blocks", "tasks", "flows", "cli")
FILES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
    if path.stat().st_size
}


def lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def function_lines() -> Iterator[tuple[str, int]]:
    for name, text in FILES.items():
        rows = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                at = set(range(node.lineno, (node.end_lineno or 0) + 1))
                if ast.get_docstring(node) is not None:
                    at -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
                yield f"{name}: {node.name}", lines("\n".join(rows[row - 1] for row in at))


FILE_LINES = {name: lines(text) for name, text in FILES.items()}
FUNCTION_LINES = sorted(function_lines(), key=lambda each: each[1])


def p90(sizes: list[int]) -> int:
    """By nearest rank."""
    return sorted(sizes)[ceil(0.9 * len(sizes)) - 1]


def test_files_stay_small() -> None:
    sizes = list(FILE_LINES.values())
    assert {name: size for name, size in FILE_LINES.items() if size > 350} == {}
    assert p90(sizes) <= 160
    assert median(sizes) <= 70


def test_functions_stay_small() -> None:
    sizes = [size for _, size in FUNCTION_LINES]
    assert [each for each in FUNCTION_LINES if each[1] > 40] == []
    assert p90(sizes) <= 16
    assert median(sizes) <= 6
