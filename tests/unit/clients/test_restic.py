import json
import shlex
from pathlib import Path

import pytest

from clients import restic
from clients.command import Secret
from clients.restic import Restic
from clients.ssh import Identity
from config.errors import RolloutError

TOOL = Restic(
    "restic", "rest:https://me:hunter2@host/dify", "pa55", {"AWS_SECRET_ACCESS_KEY": "k3y"}
)


def commands(tool: Restic) -> list[object]:
    return [
        tool.init(), tool.snapshots(), tool.backup([Path("/a")], host="prod", tags=["point:1"]),
        tool.backup_input("f", host="prod", tags=[], content="s3cret"), tool.dump("id", "/f"),
        tool.restore("id", Path("/t"), ["/a"]), tool.check("1/7"), tool.forget(["id"]),
        tool.prune(), tool.unlock(),
    ]  # fmt: skip


@pytest.mark.parametrize("secret", ["hunter2", "pa55", "k3y", "s3cret"])
def test_no_secret_in_argv_or_in_what_is_shown(secret: str) -> None:
    for command in commands(TOOL):
        assert secret not in " ".join(command.argv()) + repr(command)  # type: ignore[attr-defined]
    assert secret not in repr(TOOL)


def test_password_and_address_travel_in_the_environment() -> None:
    env = dict(TOOL.snapshots().env)
    assert env["RESTIC_PASSWORD"] == Secret("pa55")
    assert env["AWS_SECRET_ACCESS_KEY"] == Secret("k3y")


def test_a_backup_names_host_and_tags() -> None:
    command = TOOL.backup([Path("/data"), Path("/opt")], host="prod", tags=["point:1", "part:f"])
    assert str(command) == (
        "restic backup --json --host prod --tag point:1 --tag part:f /data /opt"
    )


def test_a_name_is_restored_literally() -> None:
    command = TOOL.restore("id", Path("/t"), ["/a/[x]*"])
    assert command.words[-1] == "/a/\\[x\\]\\*"


@pytest.mark.parametrize(
    ("repository", "login"),
    [
        ("sftp:me@host:/backups", ""),
        ("sftp://me@host:2222//backups", "-p 2222 "),
    ],
)
def test_ssh_gets_the_key_it_was_given(repository: str, login: str) -> None:
    key = Identity("-----BEGIN k3y", "host ssh-ed25519 AAAA")
    command = Restic("restic", repository, "p", identity=key).snapshots()
    option = command.words[2]
    assert isinstance(option, str) and option.startswith("sftp.command=ssh-agent sh -c ")
    *_, script = shlex.split(option.removeprefix("sftp.command="))
    assert script.startswith(f"printenv BACKUP_SSH_KEY | ssh-add -q - && ssh {login}-o ")
    assert script.endswith(" me@host -s sftp || { sleep 1; exit 1; }")
    assert dict(command.env)["BACKUP_SSH_KEY"] == Secret(key.private_key)
    assert "k3y" not in option and "AAAA" not in option


def test_a_key_is_given_to_ssh_alone() -> None:
    key = Identity("k3y")
    assert Restic("restic", "/srv/backups", "p", identity=key).snapshots().words[1] == "snapshots"
    names = dict(Restic("restic", "s3:https://h/b", "p", identity=key).snapshots().env)
    assert "BACKUP_SSH_KEY" not in names


@pytest.mark.parametrize(
    ("subset", "words"),
    [("", ()), ("all", ("--read-data",)), ("2/7", ("--read-data-subset=2/7",))],
)
def test_how_much_a_check_reads(subset: str, words: tuple[str, ...]) -> None:
    assert TOOL.check(subset).words == ("restic", "check", *words)


def test_the_summary_is_found_behind_the_progress() -> None:
    text = (
        '{"message_type":"status","percent_done":0.5}\n'
        '{"message_type":"summary","files_new":2,"data_added":2801,"total_files_processed":2,'
        '"total_bytes_processed":6,"snapshot_id":"ec69a33f"}\n'
    )
    assert restic.parse_saved(text) == restic.Saved("ec69a33f", 2, 6, 2801)
    assert [restic.parse_progress(line) for line in text.splitlines()] == [0.5, None]
    with pytest.raises(RolloutError, match="no summary"):
        restic.parse_saved("")


def test_snapshots_are_in_order_of_time() -> None:
    rows = [
        {"id": "b", "time": "2026-11-24T10:00:00Z", "hostname": "h", "tags": None},
        {"id": "a", "time": "2026-11-24T09:00:00Z", "hostname": "h",
         "tags": ["created:2026-11-24T09:00:00+00:00"]},
    ]  # fmt: skip
    first, second = restic.parse_snapshots(json.dumps(rows))
    assert (first.id, first.tag("created")) == ("a", "2026-11-24T09:00:00+00:00")
    assert (second.id, second.tag("created")) == ("b", "")
    assert restic.parse_snapshots("null") == []


def test_only_files_deleted_meanwhile_are_excused() -> None:
    gone = (
        '{"message_type":"error","error":{"Op":"lstat","Path":"/x","Err":2},"item":"/x"}\n'
        '{"message_type":"error","error":"open /y: no such file or directory","item":"/y"}\n'
    )
    denied = '{"message_type":"error","error":{"Op":"open","Path":"/x","Err":13},"item":"/x"}\n'
    assert restic.misses_nothing(gone)
    assert not restic.misses_nothing(gone + denied)
    assert not restic.misses_nothing("Fatal: something")


@pytest.mark.parametrize(
    "said",
    [
        "/: tree 1fa9babf634b is not known; the repository could be damaged, run `repair index` "
        "to try to repair it",
        "/a/1: parts of a/1 not found in the repository index; storing the file again",
    ],
)
def test_what_an_earlier_snapshot_has_lost_is_saved_again_and_no_fault(said: str) -> None:
    """As restic 0.18 and 0.19 print it."""
    lost = json.dumps({"message_type": "error", "error": {"message": said}, "item": "/"})
    assert restic.misses_nothing(lost)
    denied = {"message_type": "error", "error": {"message": "open /b: permission denied"}}
    assert not restic.misses_nothing(f"{lost}\n{json.dumps(denied)}")


def test_who_holds_the_lock() -> None:
    text = (
        "unable to create lock in backend: repository is already locked exclusively by "
        "PID 77 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-24 09:00:00\n"
    )
    assert restic.locked_by(text) == "PID 77 on vm by root (UID 0, GID 0)"
    assert restic.locked_by("Fatal: wrong password or no key found") == ""


def test_the_fatal_line_says_why() -> None:
    text = "noise\nFatal: unable to open config file: stat /x\nIs there a repository at /x\n"
    assert restic.why(text) == "unable to open config file: stat /x"
    assert restic.why("") == "it says nothing"
    text = "subprocess ssh-agent: Host key verification failed.\nFatal: error, EOF\n"
    assert restic.why(text) == "error, EOF; ssh: Host key verification failed."


@pytest.mark.parametrize(
    ("where", "folder"),
    [("/t/restic-temp-pack-1", "/t"), ("/r/data/00/1-tmp-2", "")],
)
def test_which_disk_is_full_is_told_apart(where: str, folder: str) -> None:
    said = f"Fatal: unable to save snapshot: Write: write {where}: no space left on device"
    assert restic.full_of_temporary(said) == folder


@pytest.mark.parametrize(
    ("repository", "login", "address"),
    [
        ("rest:http://h:8000/dify", ("me", "p@ss/w"), "rest:http://me:p%40ss%2Fw@h:8000/dify"),
        ("rest:https://you:x@h/dify", ("me", "y"), "rest:https://you:x@h/dify"),
        ("rest:https://h/dify", ("", ""), "rest:https://h/dify"),
        ("s3:https://h/dify", ("me", "y"), "s3:https://h/dify"),
    ],
)
def test_the_login_of_a_rest_server_is_part_of_its_address(
    repository: str, login: tuple[str, str], address: str
) -> None:
    names = ("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD")
    given = {name: value for name, value in zip(names, login, strict=True) if value}
    assert restic.address(repository, given) == address


@pytest.mark.parametrize(
    ("line", "unit", "share"),
    [
        ("[0:00] 60.00%  6 / 10 packs", "packs", 0.6),
        ("[1:02:03] 100.00%  4 / 4 snapshots", "snapshots", 1.0),
        ("[0:00] 100.00%  4 / 4 snapshots", "packs", None),
        ("read group #1 of 10 data packs (out of total 20 packs in 2 groups)", "packs", None),
    ],
)
def test_a_check_tells_how_far_it_is(line: str, unit: str, share: float | None) -> None:
    assert restic.parse_check(line, unit) == share


@pytest.mark.parametrize(
    ("repository", "server"),
    [
        ("s3:http://10.0.0.9:9000/points", "http://10.0.0.9:9000/"),
        ("s3:s3.eu-west-1.amazonaws.com/points", "https://s3.eu-west-1.amazonaws.com/"),
        ("rest:https://you:x@h:8000/dify", "https://h:8000/"),
        ("sftp:me@h:/points", ""),
        ("/srv/points", ""),
    ],
)
def test_the_server_a_repository_is_on(repository: str, server: str) -> None:
    assert restic.server(repository) == server
