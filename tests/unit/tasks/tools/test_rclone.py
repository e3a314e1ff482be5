from pathlib import Path

import pytest

from clients.command import Command
from config.load import load_environment
from tasks.tools import rclone
from tasks.tools.rclone import Rclone

STORAGE = load_environment("sandbox").storage.model_copy(
    update={"kind": "s3", "endpoint": "https://s3.test", "address_style": "path"}
)
TOOL = Rclone("rclone", STORAGE, "AKEY", 's3cr"et')
COMMANDS = [
    TOOL.list("files"), TOOL.mount("files", Path("/m"), writable=True), TOOL.copy("files", "a", "b")
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_no_key_is_in_argv_or_in_what_is_shown(command: Command) -> None:
    for key in ("AKEY", 's3cr"et'):
        assert key not in " ".join(command.argv()) + repr(command) + repr(TOOL)
        assert key in command.secrets()


def test_a_mount_that_is_only_read_cannot_be_written() -> None:
    assert "--read-only" in TOOL.mount("files", Path("/m"), writable=False).words
    assert "--read-only" not in TOOL.mount("files", Path("/m"), writable=True).words


def test_a_listing_has_size_time_and_md5_where_there_is_one() -> None:
    text = """[
{"Path":"a/b.txt","Name":"b.txt","Size":3,"ModTime":"2026-11-24T12:13:29Z","IsDir":false,
 "Hashes":{"md5":"764efa883dda1e11db47671c4a3bbd9e"}},
{"Path":"large","Name":"large","Size":9000000000,"ModTime":"2026-11-24T12:13:29Z","IsDir":false}
]"""
    found = rclone.parse_list(text)
    assert found["a/b.txt"].md5 == "764efa883dda1e11db47671c4a3bbd9e"
    assert (found["large"].size, found["large"].md5) == (9_000_000_000, "")
    assert rclone.parse_list("") == {}
