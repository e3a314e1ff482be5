"""What a change says is for people: no code reads it to decide what to do."""

import ast
from collections.abc import Iterator

import pytest

from config.load import ROOT
from tasks.core.step import Change, Kind

WORDS = {"what", "before", "after"}
# Where changes are shown; and other classes with fields of these names.
SHOWN = {
    "tasks/core/step.py": "a change as text",
    "flows/parts/report.py": "rows of plan and report",
    "flows/images.py": "rows of the images flow",
    "cli/server_blocks.py": "rows of the command",
    "cli/server_setup.py": "rows of the command",
}
OTHERS = {
    "cli/bars.py": "Moved",
    "flows/parts/transfers.py": "Moved, Arrived",
    "config/rules/retention.py": "Point",
    "tasks/platforms/pigsty/inventory.py": "Difference of an inventory",
    "tasks/points/interrupted_restore.py": "Exchange",
    "tasks/server/failures.py": "the trigger of an automation",
    "tasks/steps/reference.py": "Row",
    "tasks/steps/table.py": "Row",
}


def readers() -> Iterator[tuple[str, int]]:
    for floor in ("config", "clients", "blocks", "tasks", "flows", "cli"):
        for path in sorted((ROOT / floor).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                read = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
                if read and node.attr in WORDS:
                    yield str(path.relative_to(ROOT)), node.lineno


def test_only_what_shows_changes_reads_their_words() -> None:
    wrong = [f"{file}:{line}" for file, line in readers() if file not in SHOWN | OTHERS]
    assert not wrong, f"decide by kind and target, or show it where changes are shown: {wrong}"


def test_every_entry_of_the_lists_is_there() -> None:
    assert set(SHOWN | OTHERS) <= {file for file, _ in readers()}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Change(Kind.MAKE, "role dify", "make the role", "absent", "there", 1), True),
        (Change(Kind.CHANGE, "role dify", "create role dify"), False),
        (Change(Kind.MAKE, "role plugin", "create role dify"), False),
    ],
)
def test_a_change_is_its_kind_and_its_target(other: Change, same: bool) -> None:
    assert (Change(Kind.MAKE, "role dify", "create role dify") == other) is same
