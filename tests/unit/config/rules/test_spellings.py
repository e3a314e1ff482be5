"""A secret is found and hidden in every spelling that a text may have of it."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.rules.spellings import found, hidden

SECRET = 'p"a/s&s wörd+1'
WRITTEN = {
    "as it is": SECRET,
    "in a URL": f"redis://:{quote(SECRET, safe='')}@host",
    "in JSON": json.dumps({"password": SECRET}),
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in HTML": "p&quot;a/s&amp;s wörd+1",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_each_spelling_is_found_and_hidden(text: str) -> None:
    assert found(f"a {text} b", {"password": SECRET, "other": "not in it"}) == ["password"]
    shown = hidden(f"a {text} b", [SECRET])
    assert "***" in shown
    assert found(shown, {"password": SECRET}) == []


def test_a_secret_that_holds_another_is_hidden_as_a_whole() -> None:
    assert hidden("abcdef abc", ["abc", "abcdef"]) == "*** ***"


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_a_text_stays(secrets: list[str]) -> None:
    assert hidden("a text", secrets) == "a text"


@given(st.text(min_size=8), st.text(), st.text())
def test_nothing_hidden_is_found(secret: str, before: str, after: str) -> None:
    shown = hidden(before + secret + after, [secret])
    assert secret == "*" * len(secret) or found(shown, {"it": secret}) == []
