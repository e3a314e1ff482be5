"""The limit of a piece of work ends its commands, in all of its threads, and nobody else's."""

import threading
import time

import pytest

from clients.command import Command, CommandFailed
from clients.limit import limited, while_answering
from clients.node import LocalNode
from clients.running import pause
from config.errors import StepError
from tasks.core.side_by_side import answers

LATE = StepError("work", "it has not ended within 0.3 s")


def sleep(seconds: float) -> str:
    return LocalNode().run(Command(("sleep", str(seconds)), timeout_s=60))


def test_a_command_that_runs_on_is_ended_and_the_error_says_so():
    began = time.monotonic()
    with pytest.raises(StepError, match="has not ended within"), limited(0.3, LATE):
        sleep(33.1)
    assert time.monotonic() - began < 10


def test_so_are_the_commands_of_its_other_threads():
    began = time.monotonic()
    with pytest.raises(StepError, match="has not ended within"), limited(0.3, LATE):
        answers(sleep, [33.2, 33.3], 2)
    assert time.monotonic() - began < 10


def test_nothing_more_is_started_once_the_time_is_up():
    def work() -> None:
        with limited(0.1, LATE):
            time.sleep(0.3)
            sleep(0)

    with pytest.raises(StepError, match="has not ended within"):
        work()


def test_a_pause_ends_with_it():
    began = time.monotonic()
    with pytest.raises(StepError, match="has not ended within"), limited(0.2, LATE):
        pause(33)
    assert time.monotonic() - began < 10


def test_an_inner_limit_that_is_up_leaves_the_outer_one_its_time():
    with limited(30, StepError("outer", "never")):
        with pytest.raises(StepError, match="has not ended within"), limited(0.1, LATE):
            sleep(33.4)
        assert sleep(0) == ""


def test_an_outer_limit_ends_what_an_inner_one_still_allows():
    inner = limited(30, StepError("inner", "never"))
    with pytest.raises(StepError, match="has not ended"), limited(0.2, LATE), inner:
        sleep(33.5)


def test_a_command_beside_it_runs_on():
    ended = threading.Event()

    def beside() -> None:
        sleep(0.8)
        ended.set()

    thread = threading.Thread(target=beside)
    thread.start()
    with pytest.raises(StepError, match="has not ended"), limited(0.2, LATE):
        sleep(33.6)
    thread.join()
    assert ended.is_set()


def test_what_ends_in_time_is_as_without_a_limit():
    with limited(30, LATE):
        assert sleep(0) == ""
        with pytest.raises(CommandFailed):
            LocalNode().run(Command(("false",)))


def test_what_waits_for_somebody_who_says_nothing_any_more_is_ended() -> None:
    answers = iter([True, False, True, False, False])
    began = time.monotonic()
    watched = while_answering(lambda: next(answers), LATE, every_s=0.1, silences=2)
    with pytest.raises(StepError, match="has not ended"), watched:
        sleep(33.7)
    assert 0.5 <= time.monotonic() - began < 3
    assert not list(answers)


def test_while_it_answers_work_takes_as_long_as_it_takes() -> None:
    with while_answering(lambda: True, LATE, every_s=0.01, silences=1):
        assert sleep(0.3) == ""
