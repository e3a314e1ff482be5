"""A cluster of which one machine is off, or another is the primary than pigsty.yml says."""

import base64
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clients.command import Command, Completed
from config.errors import StepError
from tasks.core.prefetched import Prefetched
from tasks.platforms.pigsty import facts, members, pgsql
from tasks.platforms.pigsty.machines import Machine, Unreached, look_on_reached
from tasks.platforms.pigsty.prefetch import prefetch
from tasks.tools.pigsty import Tree

HBA = Path("/pg/data/pg_hba.conf")
TREE = Tree(Path("/root/pigsty"), "4.5.0", frozenset())
TEXT = """all:
  children:
    pg-dify:
      hosts:
        10.0.0.1: { pg_seq: 1, pg_role: primary }
        10.0.0.2: { pg_seq: 2, pg_role: replica }
"""


class Node:
    """An admin node whose Ansible reaches the machines that answer."""

    name = "local"

    def __init__(self, **primary: str) -> None:
        self.answers = {f"10.0.0.{name[1:]}": said for name, said in primary.items()}

    def attempt(self, command: Command) -> Completed:
        if command.words[0] == "hostname":
            return Completed(0, "10.0.0.9", "")
        asked = str(command.words[1]).split(",")
        return Completed(0, "\n".join(map(self._said, asked)), "")

    def reach(self, host: str, port: int) -> tuple[str, int]:
        """Nobody answers there as Patroni."""
        return "127.0.0.1", 1

    def _said(self, address: str) -> str:
        if address not in self.answers:
            return f"{address} | UNREACHABLE!: Connection timed out"
        return f"{address} | CHANGED | rc=0 | (stdout) {self.answers[address]}"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes two machines, and what each that is on says to whatever it is asked."""
    monkeypatch.setattr(facts, "inventory", lambda _: TEXT)

    def make(**answers: str) -> Any:
        environment = SimpleNamespace(pigsty=SimpleNamespace(pg_cluster="pg-dify"))
        site: Any = SimpleNamespace(
            admin=Node(**answers),
            prefetched=Prefetched(),
            environment=environment,
            within=lambda limit_s: limit_s,
        )
        known = [Machine(site, TREE, address, "pgsql") for address in ("10.0.0.1", "10.0.0.2")]
        monkeypatch.setattr(members, "machines", lambda *_: known)
        return site, known

    return make


FILE = f"+{base64.b64encode(b'local all all peer').decode()}"


def test_a_machine_that_is_off_is_told_and_the_others_looked_at(cluster, caplog):
    _, known = cluster(a2=FILE)
    with caplog.at_level(logging.WARNING):
        found = look_on_reached(known, [HBA])
    assert [(machine.address, there[HBA]) for machine, there in found] == [
        ("10.0.0.2", b"local all all peer")
    ]
    assert "Ansible does not reach 10.0.0.1" in caplog.text


def test_where_none_is_reached_that_is_an_error(cluster):
    _, known = cluster()
    with pytest.raises(Unreached, match=r"does not reach 10\.0\.0\.1"):
        look_on_reached(known, [HBA])
    with pytest.raises(Unreached):
        look_on_reached(known[:1], [HBA])


def test_roles_are_made_where_the_inventory_says_the_primary_is(cluster):
    site, _ = cluster(a1="t", a2="f")
    pgsql.require_primary(site)


def test_after_a_failover_the_inventory_has_to_follow_first(cluster):
    site, _ = cluster(a1="f", a2="t")
    with pytest.raises(
        StepError, match=r"10\.0\.0\.1 is the primary of pg-dify in pigsty\.yml and"
    ):
        pgsql.require_primary(site)


def test_the_primary_is_found_past_a_machine_that_is_off(cluster):
    site, _ = cluster(a2="t")
    assert members.primary(site).machine.address == "10.0.0.2"


def test_no_primary_says_who_did_not_answer(cluster):
    site, _ = cluster(a1="f")
    with pytest.raises(StepError, match=r"no primary; Ansible does not reach 10\.0\.0\.2"):
        members.primary(site)


def test_nobody_is_asked_for_steps_that_look_at_no_machine() -> None:
    platform = SimpleNamespace(kind="pigsty")
    site: Any = SimpleNamespace(
        prefetched=Prefetched(), environment=SimpleNamespace(platform=platform)
    )
    prefetch(site, ["images", "settings"])
    assert not site.prefetched.begun
