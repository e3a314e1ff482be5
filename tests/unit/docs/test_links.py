"""Links between the guides lead somewhere, and pictures are small."""

import re
from pathlib import Path

import pytest

from config.load import ROOT
from tests.unit.docs.markdown import FILES

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")
LARGEST = 150_000


def anchors(path: Path) -> set[str]:
    """As GitHub makes them from headings."""
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_and_its_heading(path: Path) -> None:
    for file, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name}: {file}"
        assert not anchor or anchor[1:] in anchors(target), f"{path.name}: {file}{anchor}"


def test_every_guide_is_reached_from_the_readme() -> None:
    linked = {file for file, _ in LINK.findall((ROOT / "README.md").read_text())}
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/images").iterdir()), ids=lambda p: p.name)
def test_a_picture_is_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size < LARGEST
    shown = [path.name for path in FILES if f"images/{picture.name}" in path.read_text()]
    assert shown
