"""What a step does when something it needs is away for a while, for good, or hangs.

`make test` has a short cell of what no other test of it takes away; `make chaos` runs all of them.
docs/reliability.md has the table.
"""

import logging
import time

import pytest

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.tasks import task, unrecorded
from tasks.steps.pgsql import dify_database
from tests.integration.faults.cells import AWAY_S, HANGS_S, Cell
from tests.integration.faults.proxy import Way

SHORT = ("preflight", "registry")
LONG = [
    pytest.param(name, marks=pytest.mark.long) for name in ("postgres", "redis", "docker", "ssh")
]


@pytest.fixture(params=[*SHORT, *LONG])
def cell(request: pytest.FixtureRequest) -> Cell:
    found: Cell = request.getfixturevalue(request.param)
    found.run()
    return found


def attempts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if line.startswith("attempt ")]


def test_what_is_away_for_a_while_is_waited_for(
    cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="rollout"):
        cell.proxy.away(AWAY_S)
        began = time.monotonic()
        changes = cell.run()
    assert len(changes) == (3 if cell.step == "images" and cell.name == "rollout-test/" else 0)
    seconds = time.monotonic() - began
    print(
        f"measured: {cell.step} without {cell.name}: {len(attempts(caplog))} more, {seconds:.1f} s"
    )
    assert seconds < 2 * AWAY_S + HANGS_S
    asks_again_itself = cell.name.startswith(("PostgreSQL", "Redis"))
    found = attempts(caplog)
    assert (found or asks_again_itself) and all(cell.name in line for line in found)


@pytest.mark.long
def test_what_stays_away_ends_in_one_sentence(cell: Cell) -> None:
    cell.proxy.set(Way.CLOSED)
    began = time.monotonic()
    with pytest.raises(StepError) as raised:
        cell.run()
    print(f"measured: {time.monotonic() - began:.1f} s: {raised.value}")
    cause, *rest = str(raised.value).splitlines()
    assert cell.name in cause
    assert any("5 times in " in line for line in rest), rest
    assert any(line.startswith("  do: ") for line in rest) or "; start it, or mend " in cause


@pytest.mark.long
def test_what_hangs_ends_as_soon_as_its_attempts_are_over(cell: Cell) -> None:
    if cell.step == "preflight":
        pytest.skip("it only asks whether connections are accepted; the next step asks for more")
    cell.proxy.set(Way.HANGING)
    began = time.monotonic()
    with pytest.raises(StepError, match=r"5 times in ") as raised:
        cell.run()
    print(f"measured: {time.monotonic() - began:.1f} s: {raised.value}")
    limit = 20.0 if cell.name == "node" else HANGS_S
    assert time.monotonic() - began < 5 * limit + 5


@pytest.mark.long
def test_a_server_that_hangs_in_a_statement_ends_with_the_time_of_its_step(postgres: Cell) -> None:
    assert ended_after(postgres, within_s=2) < HANGS_S


def ended_after(cell: Cell, within_s: float) -> float:
    """Seconds until a step ended whose server says nothing any more in the middle."""

    @task("pgsql", within_s=within_s, retries=True)
    def work(site: Site) -> None:
        with dify_database(site).connect() as connection:
            connection.execute("SELECT 1")
            cell.proxy.set(Way.HANGING)
            connection.execute("SELECT 1")

    began = time.monotonic()
    with pytest.raises(StepError, match=f"it has not ended within {within_s:g} s"):
        unrecorded(work, cell.site)
    return time.monotonic() - began


def test_a_quiet_system_is_asked_once(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="rollout"):
        cell.run()
    assert attempts(caplog) == []
