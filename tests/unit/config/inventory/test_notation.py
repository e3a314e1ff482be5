"""Whatever is written, every reader takes it for the same."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from config.desired.inventory.notation import block_body, flow, scalar

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]))
SCALARS = st.one_of(TEXT, st.booleans(), st.integers(), st.none())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8
)


def readers(text):
    return yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)


@given(VALUES)
def test_one_line(value):
    assert readers(f"a: {flow(value)}") == ({"a": value}, {"a": value})


@given(st.dictionaries(TEXT, VALUES, min_size=1))
@example({"": [], "a\u2028b": "c\u2029\x85"})
def test_several_lines(value):
    text = "\n".join(block_body(value, 2))
    assert readers(f"a:\n{text}") == ({"a": value}, {"a": value})


@pytest.mark.parametrize("quote", ["'", '"', None])
@given(value=TEXT)
def test_in_the_quotes_that_were_there(quote, value):
    written = scalar(value, quote=quote)
    assert readers(f"a: {written}") == ({"a": value}, {"a": value})


PLAIN = ["dbuser_dify", "two words", "10.10.10.10", "10.0.0.0/8", "256MB", "/data/dify"]
QUOTED = ["yes", "off", "null", "0755", "12:30:45", "1e3", "a: b", "a #b", "", "${x}", "1.5", "N"]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_where_nobody_can_mistake_it(text):
    assert scalar(text) == text


@pytest.mark.parametrize("text", QUOTED)
def test_quoted_where_somebody_could(text):
    assert scalar(text) == f'"{text}"'
