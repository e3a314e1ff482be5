"""The documentation names the steps as their table does."""

from config.load import ROOT
from tasks.steps.reference import rows
from tasks.steps.table import NAMES


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_table_of_steps_is_the_product_s() -> None:
    assert rows() in read("reliability.md"), "python -m tasks.steps.reference prints it"


def test_the_steps_of_only_are_all_of_them_in_their_order() -> None:
    assert f"Steps are {', '.join(NAMES)}" in " ".join(read("operating.md").split())
