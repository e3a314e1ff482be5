"""A traceback in the output of `rollout` is found, in that of other programs it is not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracebacks import tracebacks

SAID = "x\nTraceback (most recent call last):\n  File"


@pytest.mark.parametrize("words", [["/opt/bin/rollout", "plan"], ["setsid", "rollout", "plan"]])
@pytest.mark.parametrize("said", [(SAID, ""), ("", SAID), (None, SAID.encode())])
def test_a_traceback_of_ours_is_found(
    words: list[str], said: tuple[str | bytes | None, ...]
) -> None:
    assert len(list(tracebacks(words, *said))) == 1


@pytest.mark.parametrize(
    "words", [["python", "-c", "1 / 0"], "rollout plan", ["git", "rollout"], []]
)
def test_other_programs_may_say_what_they_like(words: object) -> None:
    assert list(tracebacks(words, SAID)) == []


def test_every_run_of_a_test_is_looked_at(no_traceback: list[str], tmp_path: Path) -> None:
    program = tmp_path / "rollout"
    program.write_text(f"#!{sys.executable}\n1 / 0\n")
    program.chmod(0o700)
    subprocess.run([program], capture_output=True, text=True)
    assert len(no_traceback) == 1 and "ZeroDivisionError" in no_traceback[0]
    no_traceback.clear()
