"""Which variables of the shell count is documented where people look for it."""

import re

from clients.variables import HONOURED
from config.load import ROOT


def test_the_guide_lists_every_variable_that_counts_and_no_other() -> None:
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    listed = re.search(r"## Variables of the shell\n.*?```\n(.*?)```", text, re.DOTALL)
    assert listed and listed[1].split() == list(HONOURED)
