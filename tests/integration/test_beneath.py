"""What a container swaps below its own folder never leads root out of it, on every kind of node."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clients import beneath
from clients.command import CommandFailed
from clients.node import LocalNode, Node
from clients.ssh import SshNode
from tests.integration.sshd import SshServer

CONTAINER = 1001


@pytest.fixture(params=["local", "ssh"])
def node(request: pytest.FixtureRequest) -> Node:
    if request.param == "local":
        return LocalNode()
    server: SshServer = request.getfixturevalue("ssh_server")
    return SshNode("node", config=server.config)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A container's folder, and beside it one that only root may touch."""
    made = tmp_path / "data" / "storage"
    (made / "upload_files").mkdir(parents=True)
    for path in (made, made / "upload_files"):
        os.chown(path, CONTAINER, CONTAINER)
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o700)
    (secret / "x").write_text("of root")
    return made


@pytest.fixture
def new(root: Path) -> Path:
    made = root.parent / "incoming"
    made.write_text("restored")
    return made


@pytest.fixture
def secret(root: Path) -> Path:
    return root.parent.parent / "secret"


def untouched(secret: Path) -> bool:
    return [path.name for path in secret.iterdir()] == ["x"] and (
        secret / "x"
    ).read_text() == "of root"


def test_a_file_is_put_in_place_and_the_one_before_stays_beside_it(
    node: Node, root: Path, new: Path
) -> None:
    (root / "upload_files" / "x").write_text("before")
    node.run(beneath.put(root, "upload_files/x", new))
    assert (root / "upload_files" / "x").read_text() == "restored"
    assert (root / "upload_files" / "x.previous").read_text() == "before"
    assert node.run(beneath.read(root, "upload_files/x")) == "restored"
    new.write_text("again")
    node.run(beneath.put(root, "upload_files/a b/c\n/-y", new))
    path = root / "upload_files" / "a b" / "c\n" / "-y"
    assert path.read_text() == "again" and path.parent.stat().st_uid == CONTAINER


def test_the_operators_own_link_to_the_folder_is_followed(
    node: Node, root: Path, new: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(root.parent)
    node.run(beneath.put(tmp_path / "link" / "storage", "upload_files/x", new))
    assert (root / "upload_files" / "x").read_text() == "restored"


@pytest.mark.parametrize("path", ["upload_files/x", "upload_files/deeper/x"])
def test_a_link_in_place_of_a_folder_is_refused(
    node: Node, root: Path, new: Path, secret: Path, path: str
) -> None:
    (root / "upload_files").rmdir()
    (root / "upload_files").symlink_to(secret)
    for command in (beneath.put(root, path, new), beneath.read(root, path)):
        with pytest.raises(CommandFailed) as refused:
            node.run(command)
        assert "upload_files is a link, which is not followed" in refused.value.output
    assert untouched(secret) and new.exists()


def test_a_link_in_place_of_a_file_is_replaced_and_not_read(
    node: Node, root: Path, new: Path, secret: Path
) -> None:
    (root / "upload_files" / "x").symlink_to(secret / "x")
    (root / "upload_files" / "x.previous").symlink_to(secret)
    with pytest.raises(CommandFailed):
        node.run(beneath.read(root, "upload_files/x"))
    node.run(beneath.put(root, "upload_files/x", new))
    assert untouched(secret)
    assert not (root / "upload_files" / "x").is_symlink()
    assert (root / "upload_files" / "x.previous").readlink() == secret / "x"


@pytest.mark.parametrize("path", ["../secret/x", "upload_files/../../../secret/x", "/etc/x", ".."])
def test_a_path_that_leads_out_is_refused(
    node: Node, root: Path, new: Path, secret: Path, path: str
) -> None:
    for command in (beneath.put(root, path, new), beneath.read(root, path)):
        with pytest.raises(CommandFailed):
            node.run(command)
    assert untouched(secret) and not Path("/etc/x").exists()


def test_a_pipe_in_place_of_a_file_does_not_hold_us_up(node: Node, root: Path) -> None:
    os.mkfifo(root / "upload_files" / "x")
    assert node.run(beneath.read(root, "upload_files/x")) == ""


def test_digests_are_of_files_alone(node: Node, root: Path, secret: Path) -> None:
    for name in ("a", "b c"):
        (root / "keys" / name).mkdir(parents=True)
        (root / "keys" / name / "private.pem").write_text(name)
    (root / "keys" / "link.pem").symlink_to(secret / "x")
    (root / "keys" / "folder").symlink_to(secret)
    found = beneath.parse_digests(node.run(beneath.digests(root, "keys", "*.pem")))
    said = subprocess.run(
        ["sha256sum", root / "keys" / "b c" / "private.pem"], capture_output=True, text=True
    ).stdout
    assert list(found) == ["a/private.pem", "b c/private.pem"]
    assert found["b c/private.pem"] == said.split()[0]
    (root / "elsewhere").symlink_to(secret)
    assert beneath.parse_digests(node.run(beneath.digests(root, "elsewhere", "*"))) == {}


@contextmanager
def swapping(folder: Path, target: Path) -> Iterator[None]:
    """The folder is itself, nothing and a link, many times a second."""
    done = threading.Event()
    aside, link = folder.with_name("aside"), folder.with_name("link")

    def swap() -> None:
        while not done.is_set():
            folder.rename(aside)
            link.symlink_to(target)
            with suppress(OSError):  # a folder was made there meanwhile
                link.rename(folder)
            for path in (link, folder):
                if path.is_symlink():
                    path.unlink()
            while aside.exists():
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_who_swaps_faster_than_we_look_gains_nothing(root: Path, new: Path, secret: Path) -> None:
    node, ends = LocalNode(), set[str]()
    with swapping(root / "upload_files", secret):
        for _ in range(150):
            new.write_text("restored")
            try:
                node.run(beneath.put(root, "upload_files/x", new))
                ends.add("put")
            except CommandFailed as error:
                ends.add("refused" if "not followed" in error.output else "gone meanwhile")
    assert untouched(secret)
    assert "put" in ends and len(ends) > 1
