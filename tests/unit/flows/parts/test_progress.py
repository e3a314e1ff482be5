"""Telling how far the work is costs the work nothing, whatever the server does."""

import time
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.parts import progress as module
from flows.parts.progress import progress
from tasks.core.progress import Event, watched_by

Shown = list[tuple[str, float]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> tuple[Shown, dict[str, Any]]:
    """What it was told, and how it behaves."""
    shown: Shown = []
    behaviour: dict[str, Any] = {"answer": lambda: None}
    made: dict[UUID, str] = {}

    def create(share: float, *, key: str, description: str) -> UUID:
        behaviour["answer"]()
        made[new := uuid4()] = key
        shown.append((key, share))
        return new

    def update(artifact: UUID, share: float) -> None:
        behaviour["answer"]()
        shown.append((made[artifact], share))

    monkeypatch.setattr(module, "configured", lambda: True)
    monkeypatch.setattr(module, "create_progress_artifact", create)
    monkeypatch.setattr(module, "update_progress_artifact", update)
    monkeypatch.setattr(module, "EVERY_S", 0.05)
    return shown, behaviour


def test_the_end_of_every_part_is_shown(server: tuple[Shown, dict[str, Any]]) -> None:
    seen: list[Event] = []
    with watched_by(seen.append), progress("backup", "my_prod") as told:
        for step in range(101):
            told("files", step / 100)
        told("check", 1)
    assert dict(server[0]) == {"backup-my-prod-files": 100, "backup-my-prod-check": 100}
    assert len(server[0]) < 50
    assert len(seen) == 102


def slow() -> None:
    time.sleep(3)


def gone() -> None:
    raise OSError("nobody there")


@pytest.mark.parametrize("answer", [slow, gone])
def test_a_server_that_is_slow_or_gone_delays_nothing(
    server: tuple[Shown, dict[str, Any]], answer: object
) -> None:
    server[1]["answer"] = answer
    began = time.monotonic()
    with progress("backup", "prod") as told:
        for step in range(10_001):
            told("files", step / 10_000)
        worked = time.monotonic() - began
    assert worked < 1
    assert time.monotonic() - began < worked + module.LAST_WITHIN_S + 1


def test_a_watcher_that_fails_stops_nothing(server: tuple[Shown, dict[str, Any]]) -> None:
    def fail(event: Event) -> None:
        raise ValueError(event)

    with watched_by(fail), progress("backup", "prod") as told:
        told("files", 1)
    assert server[0] == [("backup-prod-files", 100)]
