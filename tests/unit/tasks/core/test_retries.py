"""How often, how late and in whose words work is tried again."""

import logging

import pytest
from pydantic import SecretStr

from clients.postgres import PostgresRefused, PostgresUnreachable
from config.errors import RolloutError, StepError
from config.load import load_environment, load_release
from tasks.core import tasks
from tasks.core.retries import JITTER, Attempts, given_up
from tasks.core.site import Site
from tasks.core.tasks import fitted, task, unrecorded

QUICK = {"attempts": 3, "first_s": 0.01, "longest_s": 0.02}


def site(**retries: float) -> Site:
    found = load_environment("sandbox")
    changed = found.nodes.retries.model_copy(update={**QUICK, **retries})
    nodes = found.nodes.model_copy(update={"retries": changed})
    made = found.model_copy(update={"nodes": nodes})
    return Site(made, load_release(found.dify.release), dict[str, SecretStr]())


def away(succeeds_at: int, error: RolloutError | None = None) -> tuple[list[int], object]:
    """A task that fails until this attempt, and the attempts it got."""
    tried: list[int] = []

    @task("pgsql", within_s=60, retries=True)
    def work(site: Site) -> str:
        tried.append(len(tried) + 1)
        if len(tried) < succeeds_at:
            raise error or PostgresUnreachable("PostgreSQL at 10.0.0.2:5432 does not answer")
        return "done"

    return tried, work


def test_each_wait_is_about_twice_as_long_up_to_the_longest() -> None:
    attempts = Attempts(9, 2.0, 30.0)
    for failed, doubled in enumerate([2, 4, 8, 16, 30, 30], start=1):
        waits = [attempts.wait_s(failed, ValueError()) for _ in range(200)]
        assert doubled * 0.75 <= min(waits) < doubled < max(waits) <= doubled * 1.25


def test_what_is_away_for_20_s_is_back_before_the_last_attempt() -> None:
    attempts = Attempts.of(load_environment("sandbox").nodes.retries)
    least = [attempts.first_s * 2**failed * JITTER[0] for failed in range(attempts.most - 1)]
    assert sum(least) > 20


def test_the_log_says_which_attempt_comes_when_and_why(caplog: pytest.LogCaptureFixture) -> None:
    error = StepError("pgsql", "PostgreSQL at 10.0.0.2:5432 does not answer", passes=True)
    with caplog.at_level(logging.INFO, logger="rollout"):
        assert Attempts(5, 8.0, 8.0).again_in_s(1, error, 60)
    (line,) = caplog.messages
    assert line.startswith("attempt 2 of 5 in ")
    assert line.endswith(" s: PostgreSQL at 10.0.0.2:5432 does not answer")


def test_without_time_left_there_is_no_further_attempt() -> None:
    error = StepError("pgsql", "away", passes=True)
    assert Attempts(5, 8.0, 8.0).again_in_s(1, error, 3.0) is None
    assert Attempts(5, 0.0, 0.0).again_in_s(5, error, 60) is None


def test_what_is_away_for_a_moment_is_tried_until_it_is_back() -> None:
    tried, work = away(3)
    assert unrecorded(work, site()) == "done"
    assert tried == [1, 2, 3]


def test_what_stays_away_ends_with_how_often_it_was_tried() -> None:
    tried, work = away(9)
    with pytest.raises(StepError, match=r"(?s)does not answer.*tried: 3 times in 0 s"):
        unrecorded(work, site())
    assert tried == [1, 2, 3]


@pytest.mark.parametrize("error", [PostgresRefused("wrong password"), StepError("pgsql", "no")])
def test_what_a_person_has_to_mend_is_tried_once(error: RolloutError) -> None:
    tried, work = away(9, error)
    with pytest.raises(type(error)) as raised:
        unrecorded(work, site())
    assert tried == [1] and raised.value is error


def test_an_environment_may_have_one_attempt() -> None:
    tried, work = away(2)
    with pytest.raises(PostgresUnreachable):
        unrecorded(work, site(attempts=1))
    assert tried == [1]


def test_prefect_is_given_the_environment_s_attempts() -> None:
    _, work = away(1)
    made = fitted(work, site(attempts=4))
    assert (made.retries, len(made.retry_delay_seconds)) == (3, 3)
    assert made.retry_condition_fn and made.task_key == work.task_key
    once = fitted(task("save", within_s=60)(lambda _: None), site())
    assert once.retries == 0


def test_of_the_first_attempt_an_error_stays_as_it_is() -> None:
    error = StepError("pgsql", "away")
    assert given_up("pgsql", error, 1, 5) is error
    more = given_up("pgsql", StepError("pgsql", "away", tried="psql", advice="start it"), 4, 31)
    assert str(more) == "pgsql: away\n  tried: psql; 4 times in 31 s\n  do: start it"
    assert load_environment("sandbox").nodes.retries.attempts - 1 == tasks.RETRIES
