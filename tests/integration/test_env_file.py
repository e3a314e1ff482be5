# ruff: noqa: E501 - a table of cases
"""`.env` as the real Compose reads it: every printable value reaches the container unchanged."""

import json
import os
import subprocess
from pathlib import Path

import compose
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.desired import env_file

COMPOSE = Path(compose.__file__).with_name("docker-compose")
NASTY = [
    "", " ", " before", "after ", "a b", "  ", "\"", "'", "'\"", "\"'", "\"quoted\"", "'quoted'", "''",
    '""', "`id`", "$", "$$", "$$$", "a$", "$1", "$-", "$(id)", "$A", "${A}", "${A:-x}", "${A:?x}", "${",
    "$}", "{", "}", "{{x}}", "{hook_id}", "${KEY_0}", "$KEY_0", "\\", "\\\\", "a\\", "\\n", "\\t", "\\\"",
    "\\'", "\\$", "\\\\$", "\\${A}", "\\x41", "\\u0041", "\\101", "#", "#a", "a#b", "a #b", " #", "=", "a=b",
    ":", "a: b", "%", "%40", "%(x)s", "!", "!!", "~", "~root", "*", "?", "[a]", "-", "- a", "|", ">", "&a",
    "*a", "@", ",", ";", "a;b&c|d", "<>", "^", "export A=b", "null", "true", "no", "007", "1e3", "ü",
    "日本語", "😀", "p@ss/w:rd#1 'q' \"d\" $x \\y `z` {w} ü", "𝕏\\'\"$`",
]  # fmt: skip
PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
SHARP = st.text(st.sampled_from("\\\"'$#`{} =:ab"), max_size=12)


def as_containers_see(folder: Path, text: str, keys: list[str]) -> dict[str, str]:
    """The environment Compose gives a container whose variables name these keys."""
    (folder / ".env").write_text(text, encoding="utf-8")
    variables = "".join(f"      {key}: ${{{key}}}\n" for key in keys)
    document = f"name: t\nservices:\n  a:\n    image: b\n    environment:\n{variables}"
    (folder / "compose.yaml").write_text(document)
    done = subprocess.run(
        [COMPOSE, "--file", str(folder / "compose.yaml"), "config", "--format", "json"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr
    seen = json.loads(done.stdout)["services"]["a"]["environment"]
    return {key: value.replace("$$", "$") for key, value in seen.items()}


def assert_unchanged(folder: Path, values: list[str]) -> None:
    named = {f"KEY_{number}": value for number, value in enumerate(values)}
    text = env_file.render(named)
    assert as_containers_see(folder, text, list(named)) == named
    assert env_file.parse(text) == named


def test_nasty_values_reach_the_container_unchanged(tmp_path):
    assert_unchanged(tmp_path, NASTY)


def test_every_printable_ascii_character_alone_doubled_and_around(tmp_path):
    characters = [chr(code) for code in range(32, 127)]
    doubled = [2 * c for c in characters]
    around = [f"{c}x{c}" for c in characters]
    assert_unchanged(tmp_path, [*characters, *doubled, *around])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(PRINTABLE, max_size=30) | SHARP, min_size=1, max_size=60))
def test_any_printable_value_reaches_the_container_unchanged(tmp_path, values):
    assert_unchanged(tmp_path, values)


TYPED = [
    "A=b", "A = b ", "export A=b", "  A=b", "A: b", "A=", "A=b # why", "A=b#c", "A= # why", "A=#b",
    "A='b \"d\"'", 'A="b # c" # why', 'A="b\\n\\"c\\" \\$d \\\\"', 'A="b\nc"', "A=b=c",
]  # fmt: skip


@pytest.mark.parametrize("line", TYPED)
def test_lines_people_type_are_read_as_compose_reads_them(tmp_path, line):
    text = f"# A=comment\n\n{line}\n"
    assert env_file.parse(text) == as_containers_see(tmp_path, text, ["A"])
