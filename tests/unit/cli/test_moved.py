"""Commands of before, and how many there are."""

import pytest
import typer
from typer.testing import CliRunner

from cli.groups import MOVED
from cli.main import app
from config.errors import RolloutError

MOST_COMMANDS = 21  # the last one is `switch`: the way back has to be found at once


@pytest.mark.parametrize("name", sorted(MOVED))
def test_a_command_of_before_is_told_what_it_is_now(name: str) -> None:
    done = CliRunner().invoke(app, [name, "prod"])
    assert isinstance(done.exception, RolloutError)
    expected = f"rollout {name}: there is no such command; expected rollout {MOVED[name]}"
    assert str(done.exception) == expected


def test_the_surface_stays_small() -> None:
    assert len(typer.main.get_command(app).commands) <= MOST_COMMANDS  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "rollout health: of what; expected an environment, or --all"),
        (["--all", "--watch"], "--watch: looks at one environment; expected its name alone"),
        (["a", "b", "--watch"], "--watch: looks at one environment; expected its name alone"),
    ],
)
def test_health_says_what_it_needs(words: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, ["health", *words])
    assert str(done.exception) == sentence


def test_a_backup_is_taken_without_a_word_for_it() -> None:
    asked = [CliRunner().invoke(app, ["backup", *words]) for words in (["none"], ["take", "none"])]
    assert {str(done.exception) for done in asked} == {str(asked[0].exception)}
    assert "no such environment" in str(asked[0].exception)
    assert "restore points" in CliRunner().invoke(app, ["backup", "list", "--help"]).output
