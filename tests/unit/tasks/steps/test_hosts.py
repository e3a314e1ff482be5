import errno
import os
from pathlib import Path

import pytest

from clients.files import File, Unwritable
from clients.node import LocalNode
from config.errors import StepError
from tasks.core.step import converge
from tasks.steps.hosts import Hosts

MARKER = "dify-rollout dify-sandbox"
LINE = "127.0.0.1 dify.test  # dify-rollout dify-sandbox"
MACHINE = "127.0.0.1\tlocalhost\n::1 ip6-localhost\n\n# by hand\n10.0.0.5 db.internal\n"


class ReadOnly(LocalNode):
    def write(self, file: File) -> None:
        raise Unwritable(os.strerror(errno.EROFS), errno.EROFS)


def step(path: Path, domain: str = "dify.test", node: LocalNode | None = None) -> Hosts:
    return Hosts(node or LocalNode(), domain, MARKER, path)


def test_one_line_is_added_once_and_the_rest_is_as_it_was(tmp_path):
    path = tmp_path / "hosts"
    path.write_text(MACHINE)
    path.chmod(0o644)
    assert len(converge(step(path)).changes) == 1
    assert path.read_text() == MACHINE + LINE + "\n"
    assert path.stat().st_mode & 0o777 == 0o644
    before = path.stat().st_mtime_ns
    assert converge(step(path)).changes == ()
    assert path.stat().st_mtime_ns == before
    assert list(tmp_path.iterdir()) == [path]


def test_another_domain_replaces_only_our_line(tmp_path):
    path = tmp_path / "hosts"
    theirs = "127.0.0.1 other.test  # dify-rollout dify-sandbox-two\n"
    path.write_text(MACHINE + LINE + "\n" + theirs)
    (change,) = converge(step(path, "moved.test")).changes
    assert change.before == LINE
    assert path.read_text() == MACHINE + theirs + LINE.replace("dify.test", "moved.test") + "\n"


@pytest.mark.parametrize(
    "line",
    ["127.0.0.1 localhost dify.test", "192.168.1.9 DIFY.test # mine", "::1\tdify.test"],
)
def test_a_name_given_by_hand_is_left_alone(tmp_path, line):
    path = tmp_path / "hosts"
    path.write_text(f"{MACHINE}{line}\n")
    assert converge(step(path)).changes == ()
    assert path.read_text() == f"{MACHINE}{line}\n"


@pytest.mark.parametrize("line", ["127.0.0.1 www.dify.test", "# 127.0.0.1 dify.test", "dify.test"])
def test_a_line_that_does_not_name_the_domain_does_not_count(tmp_path, line):
    path = tmp_path / "hosts"
    path.write_text(f"{line}\n")
    converge(step(path))
    assert path.read_text() == f"{line}\n{LINE}\n"


def test_odd_bytes_and_a_missing_file_are_survived(tmp_path):
    path = tmp_path / "hosts"
    converge(step(path))
    assert path.read_text() == LINE + "\n"
    path.write_bytes(b"10.0.0.1 caf\xe9\n")
    converge(step(path))
    assert path.read_bytes() == b"10.0.0.1 caf\xe9\n" + LINE.encode() + b"\n"


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(StepError, match=r"hosts: .*Read-only file system"):
        converge(step(tmp_path / "hosts", node=ReadOnly()))
