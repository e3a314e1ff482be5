import os
import time
from pathlib import Path

import pytest

from blocks.command import Command, CommandFailed, Secret
from blocks.files import File
from blocks.node import LocalNode

node = LocalNode()


def sh(script: str, **options: object) -> Command:
    return Command(("sh", "-c", script), **options)  # type: ignore[arg-type]


def test_stdout_is_returned_and_lines_are_told_as_they_come() -> None:
    seen: list[str] = []
    assert node.run(sh("echo one; echo two >&2"), seen.append) == "one\n"
    assert sorted(seen) == ["one", "two"]


def test_a_chatty_stderr_does_not_block() -> None:
    assert node.run(sh("head -c 300000 /dev/zero >&2; echo done", timeout_s=10)) == "done\n"


def test_a_failure_names_command_status_and_last_lines() -> None:
    with pytest.raises(CommandFailed) as caught:
        node.run(sh("echo broken >&2; exit 3"))
    assert str(caught.value).endswith("exit status 3\nbroken")


def test_a_timeout_kills_the_whole_process_group(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"no end within 0\.5 s"):
        node.run(sh(f"sleep 60 & echo $! > {mark}; wait", timeout_s=0.5))
    pid = int(mark.read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{pid}").exists()


def test_a_secret_reaches_a_command_by_stdin() -> None:
    assert node.run(Command(("cat",), stdin=Secret("s3cret"))) == "s3cret"


def test_a_missing_program_is_status_127() -> None:
    assert node.attempt(Command(("no-such-program",))).status == 127


def test_a_daemon_outlives_its_starter_in_a_session_of_its_own(tmp_path: Path) -> None:
    pid = node.spawn(Command(("sleep", "30")), tmp_path / "log")
    try:
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, 9)


def test_what_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert node.read(tmp_path / "none") is None
    assert node.mode(tmp_path / "none" / "deeper") is None


def test_a_file_is_replaced_whole_and_the_one_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".env"
    node.write(File(path, b"A=1", mode=0o600))
    node.write(File(path, b"A=2", mode=0o600))
    assert path.read_bytes() == b"A=2"
    assert (tmp_path / "deep" / ".env.previous").read_bytes() == b"A=1"
    assert node.mode(path) == node.mode(tmp_path / "deep" / ".env.previous") == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == [".env", ".env.previous"]


def test_a_reader_never_sees_half_a_file_or_another_mode(tmp_path: Path) -> None:
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


def test_a_command_with_an_environment_of_its_own_sees_no_variable_of_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "AMBIENT")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x.sock")
    show = "echo ${LOG_LEVEL:-none} $DOCKER_HOST $OWN"
    assert node.run(sh(show, env=(("OWN", "1"),))) == "AMBIENT unix:///x.sock 1\n"
    assert node.run(sh(show, env=(("OWN", "1"),), own_env=True)) == "none unix:///x.sock 1\n"


def test_a_pipe_passes_bytes_on_and_returns_the_last_output() -> None:
    words = [sh("head -c 3000000 /dev/urandom"), sh("cat"), sh("wc -c")]
    assert node.pipe(words).strip() == "3000000"


def test_a_pipe_fails_with_whoever_failed_by_itself() -> None:
    with pytest.raises(CommandFailed, match=r"exit status 3\nno such database"):
        node.pipe([sh("echo x; echo no such database >&2; exit 3"), sh("cat")])
    with pytest.raises(CommandFailed, match=r"exit status 4\ndisk full"):
        node.pipe([Command(("yes",)), sh("head -1; echo disk full >&2; exit 4")])


def test_a_pipe_that_takes_too_long_leaves_nobody_behind(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"no end within 0\.5 s"):
        node.pipe([sh(f"echo $$ > {mark}; exec sleep 60", timeout_s=0.5), sh("cat", timeout_s=0.5)])
    assert not Path(f"/proc/{int(mark.read_text())}").exists()
