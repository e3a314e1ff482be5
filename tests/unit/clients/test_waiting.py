"""Waiting by asking again: how often, how long, what is said, and how a cancelled run ends it."""

import ast
import logging
import time
from collections.abc import Iterator
from operator import not_
from threading import Thread

import pytest

from clients import running, waiting
from clients.running import Cancelled, end_all
from clients.waiting import despite, until
from config.load import ROOT

SLEEPS = {
    "clients/running.py": "ends the processes of a cancelled run, when nothing may break it off",
}


@pytest.fixture(autouse=True)
def run() -> Iterator[None]:
    running.begin()
    yield
    running.begin()


def test_the_first_good_answer_is_returned_and_nothing_is_asked_after_it() -> None:
    answers = iter([0, 0, 3, 9])
    assert until(lambda: next(answers), within_s=9, every_s=0) == 3
    assert next(answers) == 9


def test_the_last_answer_is_returned_when_the_time_is_over() -> None:
    began = time.monotonic()
    assert until(lambda: ["left"], not_, within_s=0.1, every_s=0.01) == ["left"]
    assert 0.1 <= time.monotonic() - began < 5


def test_without_any_time_it_is_asked_once() -> None:
    answers = iter([0, 1])
    assert until(lambda: next(answers), within_s=0, every_s=0) == 0
    assert next(answers) == 1


def test_an_error_while_asking_is_raised_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        until(lambda: 1 / 0, within_s=9, every_s=9)


def test_work_is_tried_again_after_errors_that_pass() -> None:
    outcomes = iter([OSError("first"), OSError("second")])

    def work() -> str:
        if error := next(outcomes, None):
            raise error
        return "done"

    assert despite(lambda e: isinstance(e, OSError), work, within_s=9, every_s=0) == "done"


@pytest.mark.parametrize(("within_s", "passes"), [(0, True), (9, False)])
def test_an_error_is_raised_as_it_was(within_s: float, passes: bool) -> None:
    error = OSError("as it was")

    def work() -> None:
        raise error

    with pytest.raises(OSError, match="as it was") as raised:
        despite(lambda _: passes, work, within_s=within_s, every_s=0)
    assert raised.value is error


def test_what_is_waited_for_is_said_at_once_and_then_from_time_to_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SAY_EVERY_S", 0.05)
    with caplog.at_level(logging.INFO, "rollout"):
        assert until(lambda: True, within_s=9, every_s=9, waiting="not said")
        until(lambda: False, within_s=0.3, every_s=0.01, waiting="waiting for tea")
    first, *later = caplog.messages
    assert first == "waiting for tea"
    assert 3 <= len(later) <= 6
    assert set(later) == {"waiting for tea, 0 s so far"}


def test_a_wait_ends_when_another_thread_cancels_the_run() -> None:
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            until(lambda: False, within_s=60, every_s=60)
        except Cancelled as error:
            raised.append(error)

    thread = Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    end_all()
    thread.join(timeout=5)
    assert [type(error) for error in raised] == [Cancelled]


def test_the_thread_that_cancelled_the_run_can_still_wait() -> None:
    end_all()
    assert until(lambda: False, within_s=0.05, every_s=0.01) is False


def sleeping_modules() -> Iterator[str]:
    for floor in ("config", "clients", "blocks", "tasks", "flows", "cli"):
        for path in sorted((ROOT / floor).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sleep"):
                    yield str(path.relative_to(ROOT))


def test_nothing_else_sleeps() -> None:
    assert set(sleeping_modules()) == set(SLEEPS), "wait by clients/waiting.py"
