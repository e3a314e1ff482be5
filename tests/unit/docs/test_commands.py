"""Whoever types what the guides say meets a command that exists and takes it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from config.load import ROOT
from tests.unit.command_line import COMMANDS
from tests.unit.docs.markdown import FILES, code

PLACEHOLDERS = {"SECONDS": "5", "…": "", "<name>": "name"}
# Targets of Pigsty's app/dify, which people made by hand.
RECIPES = {"up", "pull"}
COMMAND = re.compile(r"(?<![\w./-])rollout ([a-z].*)")


def commands() -> Iterator[tuple[Path, str]]:
    for path in FILES:
        for text in code(path):
            if (found := COMMAND.search(text)) and not text.startswith("git clone"):
                yield path, re.split(r" && | \| |; ", found[1])[0]


def parse(text: str) -> None:
    """Raise what the command line would refuse; a command without anything is a mention of it."""
    for name, value in PLACEHOLDERS.items():
        text = text.replace(name, value)
    words = [word.strip("[]") for word in shlex.split(text)]
    known = [" ".join(words[:count]) for count in (2, 1) if " ".join(words[:count]) in COMMANDS]
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    if not known:
        assert len(words) == 1 and words[0] in groups, f"no command: rollout {text}"
    elif rest := words[len(known[0].split()) :]:
        COMMANDS[known[0]].make_context(known[0], rest)


@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*each, id=f"{each[0].stem}: {each[1]}") for each in commands()]
)
def test_a_command_in_the_guides_exists(path: Path, text: str) -> None:
    parse(text)


@pytest.mark.parametrize("wrong", ["deploi prod", "deploy prod --fast", "plan prod staging"])
def test_a_wrong_command_would_be_noticed(wrong: str) -> None:
    with pytest.raises((AssertionError, TyperException)):
        parse(wrong)


def test_the_operating_guide_lists_every_command() -> None:
    listed = "\n".join(code(ROOT / "docs" / "operating.md"))
    lacking = [name for name in COMMANDS if f"rollout {name}" not in listed]
    assert lacking == [], "not in docs/operating.md"


def test_every_target_of_make_in_the_guides_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    used = {
        found
        for path in FILES
        for text in code(path)
        for found in re.findall(r"(?<!-)\bmake ([a-z][a-z-]*)", text)
    }
    assert used - set(targets) - RECIPES == set()
