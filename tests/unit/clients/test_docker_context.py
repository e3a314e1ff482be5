"""Which engine is asked where docker's own configuration names another one than the socket's."""

import hashlib
import json
from pathlib import Path

import pytest

from clients.docker import Docker
from clients.docker_engine import OWN, DockerUnusable, chosen_place


def configure(folder: Path, name: str, host: str | None) -> None:
    """Docker's configuration with that context in use; without a host it was never made."""
    (folder / "config.json").write_text(json.dumps({"currentContext": name}))
    if host is None:
        return
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"docker": {"Host": host, "SkipTLSVerify": False}}
    text = json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoint})
    (meta / "meta.json").write_text(text)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return tmp_path


def test_without_a_configuration_it_is_the_machines_socket() -> None:
    assert chosen_place() == OWN


def test_the_context_in_use_is_followed_and_its_silence_named(folder: Path) -> None:
    configure(folder, "rootless", f"unix://{folder}/docker.sock")
    assert chosen_place() == f"unix://{folder}/docker.sock"
    trouble = Docker().trouble()
    assert trouble == f"Docker Engine is not running (nothing answers at {folder}/docker.sock)"


def test_docker_host_goes_before_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(folder, "rootless", "unix:///none")
    monkeypatch.setenv("DOCKER_HOST", "unix:///other.sock")
    assert chosen_place() == "unix:///other.sock"


def test_a_context_that_is_gone_is_said(folder: Path) -> None:
    configure(folder, "gone", None)
    with pytest.raises(DockerUnusable, match="docker context use default"):
        chosen_place()
