"""Edits at places that are rarely written."""

from typing import Any

import pytest
import yaml

from config.desired.inventory.document import read
from config.desired.inventory.edits import edited


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("{ a, b: 1 }", {"a": 3, "c": 2}),
        ("{ b: 1, a }", {"c": 2}),
        ("{ b: 1, a }", {"a": {"x": 2}}),
        ("\n  ? a  # a key of its own line\n  :\n", {"a": 3}),
    ],
)
def test_a_key_without_a_value_may_lack_its_colon_too(text: str, want: dict[str, Any]) -> None:
    before = yaml.safe_load(f"all: {text}")["all"]
    after = edited(read(f"all: {text}"), {"all": want})
    assert yaml.safe_load(after)["all"] == before | want
