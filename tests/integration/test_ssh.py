"""What only SSH can do, and do wrong, against a real server."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from clients.command import Command
from clients.docker import Docker
from clients.files import File
from clients.node import ConnectionLost, Held, LockLost, NodeError, NodeRefused, NodeUnreachable
from clients.running import Cancelled, begin, end_all
from clients.ssh import SshNode
from config.load import ROOT
from tests.integration import sshd
from tests.integration.sshd import SshServer
from tests.ports import free_ports


def sh(script: str, **options: object) -> Command:
    return Command(("sh", "-c", script), **options)  # type: ignore[arg-type]


@pytest.fixture
def node(ssh_server: SshServer) -> SshNode:
    return SshNode("node", config=ssh_server.config)


def until(true: object, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", mark], stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize(
    ("alias", "kind", "words"),
    [
        ("stranger", NodeRefused, "stranger: it does not accept our key: "),
        ("unknown", NodeRefused, "unknown: its host key is not known: "),
        ("changed", NodeRefused, "changed: its host key is not the one that is known: "),
        ("closed", NodeUnreachable, "closed cannot be reached: connect to host 127.0.0.1 port 1"),
        ("nowhere", NodeUnreachable, "nowhere cannot be reached: Could not resolve hostname"),
    ],
)
def test_who_is_not_let_in_is_told_why_in_one_sentence(
    ssh_server: SshServer, alias: str, kind: type[NodeError], words: str
) -> None:
    for _ in range(2):
        with pytest.raises(kind) as refused:
            SshNode(alias, config=ssh_server.config).run(Command(("true",)))
        assert words in str(refused.value)
        assert "\n  do: " in str(refused.value)
        assert len(str(refused.value).splitlines()) == 2


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeRefused, match=r"nodes\.ssh_config names no file: .*/none"):
        SshNode("node", config=str(tmp_path / "none")).run(Command(("true",)))


def test_a_user_who_may_not_use_sudo_is_told_apart_from_a_failed_command(
    ssh_server: SshServer,
) -> None:
    guest = SshNode("guest", sudo=True, config=ssh_server.config)
    with pytest.raises(NodeRefused, match="sudo -n does not let this user run commands: sudo: "):
        guest.run(Command(("true",)))
    with pytest.raises(NodeRefused, match="NOPASSWD"):
        guest.write(File(Path("/opt/none"), b""))


def test_a_user_docker_engine_refuses_is_told_so(ssh_server: SshServer) -> None:
    reason = Docker(SshNode("worker", config=ssh_server.config)).trouble()
    assert reason == "Docker Engine refuses this user at worker; add it to the group docker"


def test_an_engine_on_a_node_that_is_not_there_is_the_nodes_trouble(ssh_server: SshServer) -> None:
    with pytest.raises(NodeUnreachable):
        Docker(SshNode("closed", config=ssh_server.config)).trouble()


def test_an_engine_whose_node_goes_away_is_the_nodes_trouble(
    os_users: Mapping[str, str], tmp_path: Path
) -> None:
    server = sshd.start(tmp_path, free_ports(1)[0], os_users)
    try:
        docker = Docker(SshNode("node", config=server.config))
        assert docker.containers("no-such-project") == []
    finally:
        server.stop()
    with pytest.raises(NodeUnreachable, match="node cannot be reached"):
        docker.containers("no-such-project")


def test_a_greeting_is_not_taken_for_output(ssh_server: SshServer) -> None:
    done = SshNode("guest", config=ssh_server.config).attempt(sh("echo out; echo err >&2; exit 4"))
    assert (done.status, done.stdout, done.stderr) == (4, "out\n", "err\n")


def test_everything_goes_through_one_connection_many_at_a_time(
    ssh_server: SshServer, node: SshNode
) -> None:
    node.run(Command(("true",)))
    before = len(ssh_server.children())
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: node.run(sh(f"sleep 0.1; echo {n}")), range(24)))
    assert said == [f"{n}\n" for n in range(24)]
    assert len(ssh_server.children()) == before


def test_a_command_sees_no_variable_of_the_login_but_those_that_count(node: SshNode) -> None:
    show = sh("echo ${LOG_LEVEL:-none} $XDG_SEEN $OWN", env=(("OWN", "1"),))
    assert node.run(show) == "none kept 1\n"


def test_a_connection_that_breaks_off_is_said_and_a_rerun_finishes(
    ssh_server: SshServer, node: SshNode, tmp_path: Path
) -> None:
    """What ran there is killed: a rerun must not meet it."""
    begun, mark = tmp_path / "begun", f"sleep 61.{os.getpid()}"
    command = sh(f"touch {begun}; {mark} & {mark}; wait")

    def break_off() -> None:
        until(begun.exists)
        ssh_server.drop_connections()

    threading.Thread(target=break_off).start()
    with pytest.raises(ConnectionLost) as lost:
        node.run(command)
    assert str(lost.value).startswith("node: the connection broke off during: sh -c ")
    assert "run it again when the node is back, it resumes" in str(lost.value)
    until(lambda: not running(mark))
    assert node.run(Command(("echo", "again"))) == "again\n"


def cancelled(node: SshNode, command: Command, begun: Path) -> float:
    """Seconds that a cancel took, once the command had begun."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            node.run(command)
        except Cancelled as error:
            raised.append(error)

    running_it = threading.Thread(target=work)
    running_it.start()
    until(begun.exists)
    since = time.monotonic()
    end_all()
    took = time.monotonic() - since
    running_it.join(20)
    begin()
    assert len(raised) == 1
    return took


def test_a_cancelled_command_is_asked_to_end_before_it_is_killed(
    node: SshNode, tmp_path: Path
) -> None:
    """As restic, which lets go of its lock at SIGINT: the cancel waits until it has."""
    begun, tidy = tmp_path / "begun", tmp_path / "tidy"
    work = (
        "import pathlib, signal, time, sys\n"
        "def tidy(*_):\n"
        f"    time.sleep(0.4); pathlib.Path({str(tidy)!r}).touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, tidy)\n"
        f"pathlib.Path({str(begun)!r}).touch(); time.sleep(60)\n"
    )
    took = cancelled(node, Command((sys.executable, "-c", work)), begun)
    assert tidy.exists()
    assert took < 2.8
    assert node.run(Command(("echo", "again"))) == "again\n"


def test_a_cancelled_command_that_does_not_end_is_killed(node: SshNode, tmp_path: Path) -> None:
    begun, mark = tmp_path / "begun", f"sleep 62.{os.getpid()}"
    command = sh(f"trap '' INT TERM; touch {begun}; {mark} & {mark}; wait")
    took = cancelled(node, command, begun)
    assert 2.5 < took < 12
    assert not running(mark)


def test_a_write_that_breaks_off_leaves_the_old_file(
    ssh_server: SshServer, node: SshNode, tmp_path: Path
) -> None:
    path, new = tmp_path / "file", b"x" * 5_000_000
    path.write_bytes(b"old")
    stop = threading.Event()

    def keep_breaking() -> None:
        while not stop.wait(0.05):
            ssh_server.drop_connections()

    breaking = threading.Thread(target=keep_breaking)
    breaking.start()
    try:
        for _ in range(5):
            with suppress(NodeError):
                node.write(File(path, new, keep_previous=False))
            assert path.read_bytes() in (b"old", new)
    finally:
        stop.set()
        breaking.join()
    node.write(File(path, new, keep_previous=False))
    assert path.read_bytes() == new


def test_a_killed_helper_of_ours_is_replaced(node: SshNode) -> None:
    node.run(Command(("true",)))
    subprocess.run(["pkill", "-KILL", "-f", f"{node._socket}"], check=True)
    until(lambda: not running(str(node._socket)))  # who is killed needs a moment to be gone
    assert node.run(Command(("echo", "x"))) == "x\n"


def test_a_lost_lock_is_held_again(ssh_server: SshServer, node: SshNode, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = SshNode("node", config=ssh_server.config)
    with node.hold(path, "me"):
        ssh_server.drop_connections()
        until(lambda: not node._locks[0].alive())
        assert node.run(Command(("echo", "x"))) == "x\n"
        with pytest.raises(Held) as refused, other.hold(path, "you"):
            pass
        assert refused.value.holder == "me"
    with other.hold(path, "you"):
        pass


def test_a_lost_lock_that_another_run_took_ends_this_one(
    ssh_server: SshServer, node: SshNode, tmp_path: Path
) -> None:
    path = tmp_path / "lock"
    with node.hold(path, "me"):
        ssh_server.drop_connections()
        until(lambda: not node._locks[0].alive())
        with (
            SshNode("node", config=ssh_server.config).hold(path, "you"),
            pytest.raises(LockLost, match="another run took"),
        ):
            node.run(Command(("true",)))


HOLD = """
import sys, time
from pathlib import Path
from clients.running import Cancelled, begin, end_all
from clients.ssh import SshNode
with SshNode("node", config=sys.argv[1]).hold(Path(sys.argv[2]), "first"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_dead_workers_lock_frees_itself(
    ssh_server: SshServer, node: SshNode, tmp_path: Path
) -> None:
    path = tmp_path / "lock"
    words = [sys.executable, "-c", HOLD, ssh_server.config, str(path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout and worker.stdout.readline() == "held\n"
        with pytest.raises(Held) as refused, node.hold(path, "second"):
            pass
        assert refused.value.holder == "first"
        worker.send_signal(signal.SIGKILL)

    def free() -> bool:
        try:
            with node.hold(path, "second"):
                return True
        except Held:
            return False

    until(free)


def test_a_jump_host_of_the_configuration_is_gone_through(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host behind\n    ProxyJump node\nMatch all\nInclude {ssh_server.config}\n")
    before = len(ssh_server.children())
    SshNode("behind", config=str(config)).run(Command(("true",)))
    assert len(ssh_server.children()) == before + 2  # the way there, and the way on
