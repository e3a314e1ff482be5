"""Plays of named tasks, run over hosts and printed the way ansible-playbook prints them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.world import Host, NoSudo, Unreachable

WIDTH = 79
FIELDS = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")


class Failed(Exception):
    """A task failed on a host; `result` is printed as Ansible's JSON."""

    def __init__(self, msg: str, **more: Any) -> None:
        self.result = {"changed": False, **more, "msg": msg}
        super().__init__(msg)


class Ended(Exception):
    """The host takes no part in the rest of the play (meta: end_host)."""


@dataclass(frozen=True)
class Done:
    """How a task ended where it did not fail; `msg` is printed."""

    state: str = "ok"
    msg: Any = None


OK, CHANGED, SKIPPED = Done(), Done("changed"), Done("skipping")
Act = Callable[[Host], Done | None]


@dataclass(frozen=True)
class Task:
    """One task. `tags` as in the playbook; without any of those asked for it is left out."""

    name: str
    act: Act
    tags: tuple[str, ...] = ()
    ignore_errors: bool = False


@dataclass
class Play:
    """Tasks over the hosts of a pattern; `tags` count for every task of it."""

    name: str
    hosts: str
    tasks: Sequence[Task]
    tags: tuple[str, ...] = ()


@dataclass
class Run:
    """What is asked for, and what came of it so far."""

    tags: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)

    def play(self, play: Play, hosts: Sequence[Host]) -> None:
        _banner(f"PLAY [{play.name}]")
        if not hosts:
            print("skipping: no hosts matched", flush=True)
            return
        left = {host.name for host in hosts} - self.out
        for task in play.tasks:
            if not self._wanted({*task.tags, *play.tags}):
                continue
            present = [host for host in hosts if host.name in left]
            if not present:
                return
            _banner(f"TASK [{task.name}]")
            left -= {host.name for host in present if not self._task(task, host)}

    def recap(self) -> int:
        _banner("PLAY RECAP")
        for host, counts in self.stats.items():
            numbers = " ".join(f"{f'{name}={counts[name]}':<{_column(name)}}" for name in FIELDS)
            print(f"{host:<26} : {numbers}", flush=True)
        print()
        if any(counts["unreachable"] for counts in self.stats.values()):
            return 4
        return 2 if any(counts["failed"] for counts in self.stats.values()) else 0

    def _wanted(self, tags: set[str]) -> bool:
        if tags & self.skip:
            return False
        return not self.tags or bool(tags & {*self.tags, "always"}) or "all" in self.tags

    def _task(self, task: Task, host: Host) -> bool:
        """Whether the host stays in the play."""
        count = self.stats.setdefault(host.name, dict.fromkeys(FIELDS, 0))
        try:
            host.require_reachable()
            _fail_as_told(host)
            done = task.act(host) or OK
        except Ended:
            return False
        except Unreachable as error:
            count["unreachable"] += 1
            self.out.add(host.name)
            result = {"changed": False, "msg": str(error), "unreachable": True}
            print(f"fatal: [{host.name}]: UNREACHABLE! => {json.dumps(result)}", flush=True)
            return False
        except NoSudo:
            return self._failed(task, host, {"msg": "Missing sudo password"})
        except Failed as error:
            return self._failed(task, host, error.result)
        if done.state == "skipping":
            count["skipped"] += 1
        else:
            count["ok"] += 1
            count["changed"] += done.state == "changed"
        shown = "" if done.msg is None else " => " + json.dumps({"msg": done.msg}, indent=4)
        print(f"{done.state}: [{host.name}]{shown}", flush=True)
        return True

    def _failed(self, task: Task, host: Host, result: dict[str, Any]) -> bool:
        count = self.stats[host.name]
        print(f"fatal: [{host.name}]: FAILED! => {json.dumps(result)}", flush=True)
        if task.ignore_errors:
            count["ok"] += 1
            count["ignored"] += 1
            print("...ignoring", flush=True)
            return True
        count["failed"] += 1
        self.out.add(host.name)
        return False


def _fail_as_told(host: Host) -> None:
    """A test may want the next task to fail in a certain way."""
    told = host.path("/etc/fail-next.json")
    if told.exists():
        result = json.loads(told.read_text())
        told.unlink()
        raise Failed(**result)


def _banner(text: str) -> None:
    print(f"\n{text} {'*' * max(3, WIDTH - len(text))}", flush=True)


def _column(name: str) -> int:
    return len(name) + 5
