"""What docs/reports.md says of a public report is held by the test that it names."""

import ast
import re

import pytest

from config.load import ROOT

PAGE = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_test_of_a_report_exists(file: str, name: str) -> None:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_every_report_names_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| (#|\w+#)", line)]
    assert len(rows) == len(NAMED) > 20
