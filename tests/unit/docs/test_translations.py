"""A translated page has the headings, commands, names and rows of the English one."""

import re
from collections import Counter
from pathlib import Path

import pytest

from config.load import ROOT
from tests.unit.docs.markdown import code

TRANSLATED = {
    ROOT / "README.zh.md": ROOT / "README.md",
    **{path: ROOT / "docs" / path.name for path in (ROOT / "docs" / "zh").glob("*.md")},
}


def shape(path: Path) -> list[str]:
    """Its headings' levels and its tables' rows, in order."""
    lines = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^(#+ |\|)", lines, re.MULTILINE)


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_says_as_much(path: Path) -> None:
    assert shape(path) == shape(TRANSLATED[path])


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_names_the_same_commands_and_keys(path: Path) -> None:
    found, wanted = Counter(code(path)), Counter(code(TRANSLATED[path]))
    assert found - wanted == wanted - found == Counter()


def test_each_page_leads_to_the_other() -> None:
    assert len(TRANSLATED) > 1
    for path, english in TRANSLATED.items():
        assert f"({path.relative_to(english.parent)})" in english.read_text()
        assert f"{english.name})" in path.read_text()
