"""Every sentence of the page is one the code can say, and the commands in errors exist."""

import re

import pytest

from config.load import ROOT
from tests.unit.docs.test_commands import parse
from tests.unit.sentences import sentences

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
ADVISED = re.compile(r"rollout ([a-z]+(?: [a-z]+)?(?: (?:…|[A-Z]+\b|--[a-z-]+|[a-z]+_[a-z_]+))+)")
ADVICE = sorted({found for text in sentences() for found in ADVISED.findall(text)})


def said(sentence: str) -> bool:
    """Whether some text of the code has it; a `…` at an end may be anything, also nothing."""
    return any(sentence.strip("… ") in text for text in sentences())


@pytest.mark.parametrize("sentence", QUOTED)
def test_a_sentence_of_the_page_is_one_of_ours(sentence: str) -> None:
    assert said(sentence), "the code says it in other words: mend docs/troubleshooting.md"


def test_the_page_has_the_steps_people_meet() -> None:
    assert len(QUOTED) > 40
    assert not said("the moon is in the way of …")


@pytest.mark.parametrize("command", ADVICE)
def test_a_command_that_an_error_advises_exists(command: str) -> None:
    parse(command.replace("…", "some"))
