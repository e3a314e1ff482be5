"""The clock is set by a day while something is waited for: it takes no longer, and no less."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress

import pytest

from clients.command import Command
from clients.limit import limited
from clients.node import LocalNode
from clients.running import pause
from clients.waiting import until
from config.errors import StepError
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.core.tasks import task, unrecorded

DAY_S = 86_400.0
SHORT_S = 0.4


@pytest.fixture(params=[DAY_S, -DAY_S], ids=["on", "back"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """It is set in the middle of what the test waits for."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    setting = threading.Timer(SHORT_S / 4, ahead.__setitem__, (0, request.param))
    setting.start()
    yield
    setting.join()
    assert abs(time.time() - real()) > DAY_S - 1


def polled() -> None:
    until(lambda: False, within_s=SHORT_S, every_s=0.02)


def paused() -> None:
    pause(SHORT_S)


def limited_command() -> None:
    late = StepError("slow", "it has not ended")
    with suppress(StepError), limited(SHORT_S, late):
        LocalNode().run(Command(("sleep", "60")))


def tried_again() -> None:
    """A wait before the second attempt."""
    environment = load_environment("sandbox")
    retries = environment.nodes.retries.model_copy(update={"first_s": SHORT_S / 0.75})
    nodes = environment.nodes.model_copy(update={"retries": retries})
    site = Site(
        environment.model_copy(update={"nodes": nodes}),
        load_release(environment.dify.release),
        {},
    )
    tries: list[int] = []

    @task("work", within_s=60, retries=True)
    def work(site: Site) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionRefusedError(111, "refused")

    unrecorded(work, site)
    assert len(tries) == 2


@pytest.mark.parametrize("wait", [polled, paused, limited_command, tried_again])
def test_a_wait_takes_as_long_as_it_should(wait: Callable[[], None], clock: None) -> None:
    began = time.monotonic()
    wait()
    assert SHORT_S <= time.monotonic() - began < SHORT_S * 5 / 3 + 3
