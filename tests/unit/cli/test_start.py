import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

import pytest

from cli.start import main
from config.load import ROOT


class Interrupting(MetaPathFinder):
    """Ctrl-C comes while the command is looked for."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if name == "cli.main":
            raise KeyboardInterrupt


def test_an_interrupt_while_the_command_is_loaded_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted: nothing was begun\n"


def test_words_that_are_no_text_are_refused_before_anything_is_begun() -> None:
    """As a terminal of GBK gives them."""
    rollout = Path(sys.executable).with_name("rollout")
    words = [rollout, "deploy", "sandbox", "--reason", b"\xc9\xfd\xbc\xb6"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.endswith("is not UTF-8; expected a terminal that is")
