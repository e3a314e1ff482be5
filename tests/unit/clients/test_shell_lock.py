"""A lock whose connection is lost: held again if nobody had it meanwhile. Shells here, no ssh."""

import threading
import time
from pathlib import Path

import pytest

from clients import script, session
from clients.command import Command
from clients.node import ConnectionLost, Held, LocalNode, LockLost, NodeError
from clients.shell import ShellNode

TRUE = Command(("true",))


def sh(text: str) -> Command:
    return Command(("sh", "-c", text))


class HereNode(ShellNode):
    """A node whose shells run on this machine as this user."""

    def shell(self, words: list[str]) -> list[str]:
        return words

    def refusal(self, said: str) -> NodeError:
        return NodeError(said)

    def lose_the_lock(self) -> None:
        """As when its connection breaks off: nobody is heard any more."""
        [lock] = self._locks
        shell = lock._shell
        assert shell and shell.process.stdin
        shell.process.stdin.close()
        until(lambda: not lock.alive())


def until(done: object, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def node() -> HereNode:
    return HereNode("here")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_is_held_and_let_go(node: HereNode, path: Path) -> None:
    with node.hold(path, "me"):
        assert path.read_text() == "me"
        node.run(TRUE)
        with pytest.raises(Held), LocalNode().hold(path, "you"):
            pass
    until(lambda: path.read_text() == "")
    with LocalNode().hold(path, "you"):
        pass


def test_a_lost_lock_is_held_again_before_anything_else_is_done(node: HereNode, path: Path) -> None:
    with node.hold(path, "me"):
        node.lose_the_lock()
        assert path.read_text() == "me"
        node.run(TRUE)
        assert node._locks[0].alive()
        with pytest.raises(Held), LocalNode().hold(path, "you"):
            pass
    until(lambda: path.read_text() == "")


def test_a_lost_lock_that_another_one_has_ends_the_run(node: HereNode, path: Path) -> None:
    with node.hold(path, "me"):
        node.lose_the_lock()
        with LocalNode().hold(path, "you"), pytest.raises(LockLost, match="another run took"):
            node.run(TRUE)


@pytest.mark.parametrize("left", ["", "you"], ids=["let go", "killed"])
def test_a_lost_lock_that_another_one_had_meanwhile_ends_the_run(
    node: HereNode, path: Path, left: str
) -> None:
    with node.hold(path, "me"):
        node.lose_the_lock()
        with LocalNode().hold(path, "you"):
            pass
        path.write_text(left)
        with pytest.raises(LockLost, match="another run took"):
            node.run(TRUE)


def test_a_connection_that_is_lost_without_a_word_lets_go_after_a_while(
    node: HereNode, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel there does not hear that nobody is here any more."""
    monkeypatch.setattr(script, "LOCK_SILENT_S", 2)
    monkeypatch.setattr(session, "HEARTBEAT_S", 60)
    with node.hold(path, "me"):
        [lock] = node._locks
        lock._shell = None
        began = time.monotonic()
        node.run(TRUE)
        assert 1 < time.monotonic() - began < 10


def test_a_command_ends_that_nobody_waits_for_any_more(
    node: HereNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "SILENT_S", 1)
    monkeypatch.setattr(session, "HEARTBEAT_S", 60)
    done = tmp_path / "done"
    with pytest.raises(ConnectionLost):
        node.run(sh(f"sleep 4; touch {done}"))
    assert not done.exists()


def test_a_long_command_whose_caller_lives_is_left_alone(
    node: HereNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "SILENT_S", 1)
    monkeypatch.setattr(session, "HEARTBEAT_S", 0.2)
    for _ in range(2):  # the same shell serves both
        assert node.run(sh("sleep 2; echo done")) == "done\n"


def test_signs_of_life_come_between_no_two_scripts(
    node: HereNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_S", 0.02)
    said: list[str] = []

    def many() -> None:
        said.extend(node.run(sh(f"sleep 0.03; echo {number}")) for number in range(9))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == sorted(f"{number}\n" for number in range(9) for _ in range(4))


def test_work_goes_first_and_the_lock_after_it() -> None:
    assert 2 * session.HEARTBEAT_S < script.SILENT_S
    assert script.SILENT_S + session.HEARTBEAT_S < script.LOCK_SILENT_S
