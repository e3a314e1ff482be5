"""A secret from where its environment says it stands, and what is said where it does not."""

from pathlib import Path

import pytest

from blocks.sources import read
from config.errors import RolloutError

SECRET = "p@ss 'w\"ord"


def told(source: str) -> str:
    with pytest.raises(RolloutError) as refused:
        read("secrets.sources.redis_password", source)
    text = str(refused.value)
    assert text.startswith(f"secrets.sources.redis_password: {source}: ")
    assert SECRET not in text and "\n" not in text
    return text


def test_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_TEST", SECRET)
    assert read("key", "env:OF_THE_TEST").get_secret_value() == SECRET
    monkeypatch.delenv("OF_THE_TEST")
    assert told("env:OF_THE_TEST").endswith(
        "no such variable here; expected it in the worker's environment"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.parametrize(("before", "end"), [(b"", b"\n"), (b"\xef\xbb\xbf", b"\r\n")])
def test_a_file_only_its_owner_reads(tmp_path: Path, mode: int, before: bytes, end: bytes) -> None:
    """As editors of Windows write it, too."""
    file = tmp_path / "secret"
    file.write_bytes(before + SECRET.encode() + end)
    file.chmod(mode)
    assert read("key", f"file:{file}").get_secret_value() == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    file.chmod(mode)
    assert told(f"file:{file}").endswith(f"mode is {mode:04o}; expected: chmod 600 {file}")


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"bell\x07"])
def test_a_file_without_one_line_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(0o600)
    assert told(f"file:{file}").endswith("expected one line of printable characters")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert told(f"file:{tmp_path}/none").endswith("cannot be read: No such file or directory")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    assert told(f"file:{binary}").endswith("expected UTF-8 text")


def test_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "expected LoadCredential=redis:… in the unit" in told("credential:redis")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = tmp_path / "redis"
    file.write_text(SECRET)
    file.chmod(0o440)
    assert read("key", "credential:redis").get_secret_value() == SECRET
    assert "No such file" in told("credential:another")
