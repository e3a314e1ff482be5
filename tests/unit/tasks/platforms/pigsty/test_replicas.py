"""Replicas after going back: each copied anew, and no silence about those that are not."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from clients.command import Completed
from config.errors import StepError
from tasks.platforms.pigsty import replicas
from tasks.platforms.pigsty.members import Member

HOSTS = {"pg-1": "10.0.0.1", "pg-2": "10.0.0.2", "pg-3": "10.0.0.3"}


class Patroni:
    """The leader's machine: its members' timelines, and how often each refuses to be copied."""

    address = HOSTS["pg-1"]

    def __init__(self, timelines: dict[str, int], refuses: int = 0) -> None:
        self.timelines = timelines
        self.refuses = refuses
        self.copied: list[str] = []

    def run(self, words: tuple[str, ...], user: str, *, timeout_s: float) -> Completed:
        assert user == "postgres"
        if "reinit" not in words:
            return Completed(0, json.dumps([self._listed(name) for name in self.timelines]), "")
        if self.refuses:
            self.refuses -= 1
            return Completed(1, "", "replica is starting")
        name = words[-2]
        self.copied.append(name)
        self.timelines[name] = self.timelines["pg-1"]
        return Completed(0, "", "")

    def _listed(self, name: str) -> dict[str, Any]:
        role = "Leader" if name == "pg-1" else "Replica"
        return {"Member": name, "Host": HOSTS[name], "Role": role, "State": "running",
                "TL": self.timelines[name]}  # fmt: skip


@pytest.fixture
def renew(monkeypatch: pytest.MonkeyPatch) -> Any:
    def at(patroni: Patroni, addresses: list[str]) -> None:
        known = [SimpleNamespace(address=address) for address in addresses]
        monkeypatch.setattr(replicas, "machines", lambda *_: known)
        monkeypatch.setattr(replicas, "_ASK_AGAIN_S", 0.0)
        site: Any = SimpleNamespace(within=lambda seconds: seconds)
        machine: Any = patroni
        replicas.renew(site, Member(machine, "pg"))

    return at


def test_every_replica_is_copied_also_one_that_seems_to_follow(renew: Any) -> None:
    patroni = Patroni({"pg-1": 3, "pg-2": 1, "pg-3": 3}, refuses=2)
    renew(patroni, list(HOSTS.values()))
    assert sorted(patroni.copied) == ["pg-2", "pg-3"]


def test_who_is_away_is_told_of(renew: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        renew(Patroni({"pg-1": 3, "pg-2": 1}), list(HOSTS.values()))
    assert "10.0.0.3 was off and holds what was undone" in caplog.text


def test_a_cluster_of_one_has_none(renew: Any) -> None:
    patroni = Patroni({"pg-1": 3})
    renew(patroni, [HOSTS["pg-1"]])
    assert patroni.copied == []


def test_one_that_keeps_what_was_undone_is_an_error(
    renew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "WITHIN_S", 0.0)
    with pytest.raises(StepError, match=r"went back, its replicas did not: pg-2, pg-3\n"):
        renew(Patroni({"pg-1": 3, "pg-2": 1, "pg-3": 3}, refuses=99), list(HOSTS.values()))
