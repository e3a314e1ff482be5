"""What every node does, on every kind of node: here, over SSH, by sudo."""

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from clients.command import Command, CommandFailed, Secret
from clients.docker import Docker
from clients.files import File
from clients.node import Held, LocalNode, Node
from clients.ssh import SshNode
from clients.sudo import SudoNode
from config.errors import RolloutError
from tests.integration.sshd import SshServer

NASTY = ["a b", "it's", '"x"', "$(id)", "`id`", "a\nb", "", "*", "-n", "\\", "ü€", "!h", ";#&|<>"]


@pytest.fixture(scope="session")
def kinds(ssh_server: SshServer) -> dict[str, Node]:
    return {
        "local": LocalNode(),
        "ssh": SshNode("node", config=ssh_server.config),
        "ssh and sudo": SshNode("worker", sudo=True, config=ssh_server.config),
        "sudo": SudoNode("local"),
    }


@pytest.fixture(params=["local", "ssh", "ssh and sudo", "sudo"])
def node(request: pytest.FixtureRequest, kinds: dict[str, Node]) -> Node:
    return kinds[request.param]


def sh(script: str, **options: object) -> Command:
    return Command(("sh", "-c", script), **options)  # type: ignore[arg-type]


def gone(pid: int, within_s: float = 5) -> None:
    """A process that was killed elsewhere is so a moment later."""
    stat, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + within_s
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_stdout_is_returned_and_lines_are_told_as_they_come(node: Node) -> None:
    seen: list[str] = []
    assert node.run(sh("echo one; echo two >&2"), seen.append) == "one\n"
    assert sorted(seen) == ["one", "two"]


def test_a_listener_that_takes_its_time_loses_no_output_and_delays_nothing(node: Node) -> None:
    script = "for i in $(seq 20000); do echo line $i; done; echo last >&2"
    began = time.monotonic()
    done = node.attempt(sh(script), lambda _: time.sleep(3))
    assert time.monotonic() - began < 30
    assert done.stdout.splitlines() == [f"line {i}" for i in range(1, 20001)]
    assert done.stderr == "last\n"


def test_a_listener_that_is_quick_hears_every_line_before_the_end(node: Node) -> None:
    heard: list[str] = []
    node.run(sh("seq 3000; printf rest"), heard.append)
    assert heard == [*map(str, range(1, 3001)), "rest"]


def test_a_listener_that_fails_stops_nothing(node: Node) -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    assert len(node.run(sh("head -c 300000 /dev/zero | tr '\\0' x; echo"), fail)) == 300_001


@pytest.mark.parametrize("daemon", ["sleep 41.7", "while sleep 0.01; do echo x; done"])
def test_a_daemon_that_holds_the_output_open_is_not_waited_for(
    node: Node, tmp_path: Path, daemon: str
) -> None:
    mark, began = tmp_path / "pid", time.monotonic()
    try:
        script = f"({daemon}) & echo $! > {mark}; head -c 200000 /dev/zero | tr '\\0' a; echo"
        said = node.run(sh(script))
        assert said.count("a") == 200_000
        assert time.monotonic() - began < 10
    finally:
        os.kill(int(mark.read_text()), 9)


def test_a_chatty_stderr_does_not_block(node: Node) -> None:
    assert node.run(sh("head -c 300000 /dev/zero >&2; echo done", timeout_s=10)) == "done\n"


def test_a_failure_names_command_status_and_last_lines(node: Node) -> None:
    with pytest.raises(CommandFailed) as caught:
        node.run(sh("echo broken >&2; exit 3"))
    assert str(caught.value).endswith("exit status 3\nbroken")


def test_a_timeout_kills_the_whole_process_group(node: Node, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"no end within 0\.5 s"):
        node.run(sh(f"sleep 60 & echo $! > {mark}; wait", timeout_s=0.5))
    gone(int(mark.read_text()))


def test_a_secret_reaches_a_command_by_stdin(node: Node) -> None:
    assert node.run(Command(("cat",), stdin=Secret("s3cret"))) == "s3cret"


def test_a_missing_program_is_status_127(node: Node) -> None:
    assert node.attempt(Command(("no-such-program",))).status == 127


def test_a_daemon_outlives_its_starter_in_a_session_of_its_own(node: Node, tmp_path: Path) -> None:
    pid = node.spawn(Command(("sleep", "30")), tmp_path / "log")
    try:
        deadline = time.monotonic() + 30
        while os.getsid(pid) != pid:  # it is about to be
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(pid, 9)


def test_what_is_not_there_reads_as_none(node: Node, tmp_path: Path) -> None:
    assert node.read(tmp_path / "none") is None
    assert node.mode(tmp_path / "none" / "deeper") is None


def test_a_file_is_replaced_whole_and_the_one_before_is_kept(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".env"
    node.write(File(path, b"A=1", mode=0o600))
    node.write(File(path, b"A=2", mode=0o600))
    assert path.read_bytes() == b"A=2"
    assert (tmp_path / "deep" / ".env.previous").read_bytes() == b"A=1"
    assert node.mode(path) == node.mode(tmp_path / "deep" / ".env.previous") == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == [".env", ".env.previous"]


def test_a_reader_never_sees_half_a_file_or_another_mode(tmp_path: Path) -> None:
    node = LocalNode()
    path = tmp_path / "secret"
    big = [bytes([65 + n]) * 200_000 for n in range(2)]
    node.write(File(path, big[0], mode=0o600))
    pid = os.fork()
    if pid == 0:
        for n in range(60):
            node.write(File(path, big[n % 2], mode=0o600))
        os._exit(0)
    seen: set[bytes] = set()
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        seen.add(path.read_bytes())
        assert node.mode(path) == 0o600
    assert seen <= set(big)


def test_a_command_sees_no_variable_of_the_shell_but_those_that_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOG_LEVEL", "PGSSLMODE", "RESTIC_PASSWORD_FILE", "COMPOSE_FILE", "PATHS"):
        monkeypatch.setenv(name, "ambient")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x.sock")
    said = LocalNode().run(Command(("env",), env=(("OWN", "1"),)))
    assert "ambient" not in said
    assert {"OWN=1", "DOCKER_HOST=unix:///x.sock"} < set(said.splitlines())


def test_words_arrive_as_they_are(node: Node) -> None:
    assert node.run(Command(("printf", "%s\\0", *NASTY))) == "\0".join([*NASTY, ""])


def test_a_secret_of_any_characters_is_seen_by_the_command_and_in_no_list_of_processes(
    node: Node,
) -> None:
    value = " ".join(NASTY) + "xK7secret"
    seen = 'cat /proc/[0-9]*/cmdline 2>/dev/null | grep -ac "xK7secre[t]"'
    command = sh(
        f'printf "%s|" "$TOKEN"; cat; echo; {seen}; true',
        env=(("TOKEN", Secret(value)),),
        stdin=Secret(value),
    )
    assert node.run(command) == f"{value}|{value}\n0\n"


@pytest.mark.parametrize("status", [1, 74, 127, 255])
def test_a_status_of_the_command_is_its_own(node: Node, status: int) -> None:
    assert node.attempt(sh(f"exit {status}")).status == status


def test_a_folder_and_variables_of_the_command(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "it's a $(folder)"
    folder.mkdir()
    command = sh('pwd; echo "$A"', cwd=str(folder), env=(("A", "$(b) 'c'"),))
    assert node.run(command) == f"{folder}\n$(b) 'c'\n"


def test_input_that_nobody_reads_disturbs_nothing(node: Node) -> None:
    for _ in range(2):
        given = Secret("12\necho not this\n" * 50_000)
        assert node.run(Command(("echo", "one"), stdin=given)) == "one\n"
        assert node.run(Command(("echo", "two"))) == "two\n"


def test_a_command_that_does_not_read_its_input_ends_in_time_too(
    node: Node, tmp_path: Path
) -> None:
    mark, began = tmp_path / "pid", time.monotonic()
    with pytest.raises(CommandFailed, match=r"no end within 1 s"):
        node.run(sh(f"echo $$ > {mark}; exec sleep 60", stdin=Secret("x" * 3_000_000), timeout_s=1))
    gone(int(mark.read_text()))
    assert time.monotonic() - began < 20


def test_input_of_any_size_arrives_whole(node: Node) -> None:
    given = "".join(f"{n} ü\n" for n in range(300_000))
    assert node.run(Command(("cat",), stdin=Secret(given))) == given


def test_another_user_runs_it(node: Node) -> None:
    assert node.run(Command(("id", "-un"), user="daemon")) == "daemon\n"


def test_it_says_whether_it_is_root(node: Node) -> None:
    assert node.is_root()


def test_everything_that_lies_at_some_paths_is_told_at_once(node: Node, tmp_path: Path) -> None:
    binary, folder = tmp_path / "a 'file'", tmp_path / "folder"
    binary.write_bytes(bytes(range(256)) + b"\n\n")
    binary.chmod(0o640)
    os.chown(binary, 1001, 1001)
    folder.mkdir(mode=0o700)
    empty = tmp_path / "empty"
    empty.touch(0o600)
    found = node.look([binary, folder, empty, tmp_path / "none"])
    assert found[tmp_path / "none"] is None
    one, two, three = found[binary], found[folder], found[empty]
    assert one and (one.content, one.mode, one.owner) == (binary.read_bytes(), 0o640, 1001)
    assert two and (two.content, two.mode) == (None, 0o700)
    assert three and three.content == b""
    assert node.look([]) == {}


def test_a_file_of_the_kernel_is_read_whole(node: Node) -> None:
    assert node.read(Path("/proc/version")) == Path("/proc/version").read_bytes()


def test_a_written_file_has_the_bytes_and_the_owner_it_should(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "it's" / "$(id)"
    content = bytes(range(256)) * 1000
    node.write(File(path, content, mode=0o440, owner=1001))
    assert path.read_bytes() == content
    assert path.stat().st_uid == path.stat().st_gid == 1001
    assert path.stat().st_mode & 0o7777 == 0o440
    node.write(File(path, b"", mode=0o600, keep_previous=False))
    assert [p.name for p in path.parent.iterdir()] == ["$(id)"]


def test_a_link_in_place_of_the_file_is_replaced_unread(node: Node, tmp_path: Path) -> None:
    secret, path = tmp_path / "secret", tmp_path / "folder" / "file"
    secret.write_text("of root")
    path.parent.mkdir()
    path.symlink_to(secret)
    node.write(File(path, b"new", mode=0o644, owner=1001))
    assert secret.read_text() == "of root" and path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    node.write(File(path, b"newer"))
    assert path.with_name("file.previous").read_bytes() == b"new"


def test_somebody_elses_file_stays_his_behind_his_link(node: Node, tmp_path: Path) -> None:
    target, link = tmp_path / "it's" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_bytes(b"old")
    os.chown(target, 1001, 1002)
    link.symlink_to("it's/target")
    node.write(File(link, b"new", mode=0o640, foreign=True))
    previous = target.with_name("target.previous")
    assert link.readlink() == Path("it's/target")
    assert (target.read_bytes(), previous.read_bytes()) == (b"new", b"old")
    for path in (target, previous):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1001, 1002, 0o640)
    assert sorted(path.name for path in target.parent.iterdir()) == ["target", "target.previous"]


def test_a_mounted_file_of_somebody_else_is_written_in_place(node: Node, tmp_path: Path) -> None:
    real, mount = tmp_path / "real", tmp_path / "mount"
    real.write_bytes(b"longer than what follows")
    mount.touch()
    if subprocess.run(["mount", "--bind", real, mount], capture_output=True).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no right to mount here")
    try:
        node.write(File(mount, b"new", foreign=True, keep_previous=False))
        assert real.read_bytes() == b"new"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mount", "real"]
    finally:
        subprocess.run(["umount", mount], check=True)


def test_who_cannot_keep_an_owner_leaves_the_file_alone(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    folder, path = tmp_path / "open", tmp_path / "open" / "file"
    for each in (tmp_path, *tmp_path.parents):
        if each.is_relative_to(tempfile.gettempdir()) and each != Path(tempfile.gettempdir()):
            each.chmod(0o755)
    folder.mkdir()
    folder.chmod(0o777)
    path.write_bytes(b"old")
    with pytest.raises(RolloutError, match=r"file cannot be written: it belongs to root:root"):
        SshNode("worker", config=ssh_server.config).write(File(path, b"new", foreign=True))
    assert path.read_bytes() == b"old" and [p.name for p in folder.iterdir()] == ["file"]


def test_a_file_that_cannot_be_put_there_leaves_nothing_behind(node: Node, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    with pytest.raises((OSError, RolloutError)):
        node.write(File(tmp_path / "taken", b"x"))
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_lock_is_held_once_by_any_kind_of_node(
    node: Node, kinds: dict[str, Node], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "lock"
    for other in kinds.values():
        with node.hold(path, "it's me"), pytest.raises(Held) as refused, other.hold(path, "you"):
            pass
        assert refused.value.holder == "it's me"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == ""


def test_who_listens_is_seen(node: Node, ssh_server: SshServer) -> None:
    ((listener, holder),) = node.listeners([ssh_server.port])
    assert (listener.address, listener.port) == ("127.0.0.1", ssh_server.port)
    assert holder and (holder.name, holder.pid) == ("sshd", ssh_server.process.pid)
    assert str(os.getpid()) in {str(process.pid) for process in node.processes()}


def test_a_port_is_knocked_at_and_reached(node: Node, ssh_server: SshServer) -> None:
    assert node.knock("127.0.0.1", ssh_server.port, 2) == ""
    assert node.knock("127.0.0.1", 1, 2) == "Connection refused"
    with socket.create_connection(node.reach("127.0.0.1", ssh_server.port), timeout=5) as way:
        assert way.recv(4) == b"SSH-"


def test_programs_are_found(node: Node) -> None:
    assert node.which("sshd") == "/usr/sbin/sshd"
    assert node.which("no-such-program") is None


def test_docker_engine_is_reached(node: Node) -> None:
    docker = Docker(node)
    assert docker.trouble() is None
    assert docker.version() == Docker().version()
    assert docker.image("no/such:image") is None


def test_a_pipe_passes_bytes_on_and_returns_the_last_output(node: Node) -> None:
    words = [sh("head -c 3000000 /dev/urandom"), sh("cat"), sh("wc -c")]
    assert node.pipe(words).strip() == "3000000"


def test_a_pipe_fails_with_whoever_failed_by_itself(node: Node) -> None:
    with pytest.raises(CommandFailed, match=r"exit status 3\nno such database"):
        node.pipe([sh("echo x; echo no such database >&2; exit 3"), sh("cat")])
    with pytest.raises(CommandFailed, match=r"exit status 4\ndisk full"):
        node.pipe([Command(("yes",)), sh("head -1; echo disk full >&2; exit 4")])


def test_a_pipe_that_takes_too_long_leaves_nobody_behind(node: Node, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"no end within 0\.5 s"):
        node.pipe([sh(f"echo $$ > {mark}; exec sleep 60", timeout_s=0.5), sh("cat", timeout_s=0.5)])
    gone(int(mark.read_text()))
