"""The pages for developers name folders and files that exist."""

import re
from pathlib import Path

import pytest

from config.load import ROOT
from tests.unit.docs.markdown import code

PAGES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
# A path, or a folder that `NAME` is put into.
PLACE = re.compile(
    r"^(?:bench|blocks|cli|clients|config|docs|flows|rehearsal|tasks|tests)/[\w./]*$"
)
PLACEHOLDER = re.compile(r"[A-Z]{2,}.*")


def places() -> list[tuple[str, Path]]:
    found = {(page.name, text) for page in PAGES for text in code(page) if PLACE.match(text)}
    return [(page, ROOT / PLACEHOLDER.sub("", text)) for page, text in sorted(found)]


@pytest.mark.parametrize(("page", "place"), places(), ids=lambda each: str(each).rpartition("/")[2])
def test_a_place_that_is_named_exists(page: str, place: Path) -> None:
    assert place.exists(), f"{page}: {place}"


# Change, first file, second file, and the test that names that one.
CHANGE = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ?([^|]*?) ?\| ?([^|]*?) ?\|$", re.MULTILINE)
TEN = CHANGE.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))[1:]


def test_there_are_ten_changes() -> None:
    assert len([row for row in TEN if row[0] != "---"]) == 10


@pytest.mark.parametrize(("change", "second", "test"), [(c, s, t) for c, _, s, t in TEN])
def test_a_second_file_of_a_change_is_named_by_a_test(change: str, second: str, test: str) -> None:
    assert bool(second) is bool(test), change
    if second:
        asserted = (ROOT / test.strip("`")).read_text(encoding="utf-8")
        assert re.search(rf'assert .*, ".* {re.escape(second.strip("`"))}"', asserted), change


def test_there_are_places_to_look_for() -> None:
    assert len(places()) > 20
