"""From one environment to another: an upgrade that was proved there is promoted, and undone."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from config.load import ROOT
from tests.ports import free_ports
from tests.subnets import free_subnet

OLD, NEW = "1.15.0", "1.17.1"
FLOORS = ("config", "clients", "blocks", "tasks", "flows", "cli", "rehearsal", "docs")
FILE = """
protected = {protected}
platform.kind = "sandbox"
nodes.free_gb = {{ disk = 1.0, memory = 0.5 }}
postgres = {{ host = "172.17.0.1", port = {postgres} }}
redis = {{ host = "172.17.0.1", port = {redis} }}
images.source = "auto"
portal = {{ domain = "{name}.test", http_port = {http}, https_port = {https} }}
backup = {{ repository = "backups", drill = {{ port = {drill} }} }}
sandbox = {{ home = ".{name}", prefect_port = {prefect} }}
upgrade.watch_s = 0

[dify]
release = "{release}"
project = "dify-{name}"
home = "stack"
data = "data"
port = {dify}
subnet = "{subnet}"
"""
PORTS = ("dify", "postgres", "redis", "http", "https", "drill", "prefect")


class Checkout:
    """One of its own with two environments, each a whole sandbox on this machine."""

    names = ("from", "onto")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for floor in FLOORS:
            shutil.copytree(ROOT / floor, folder / floor)
        for file in ("pyproject.toml", "prefect.yaml"):
            shutil.copy(ROOT / file, folder / file)
        for file in (folder / "config" / "environments").glob("*.toml"):
            if file.stem != "base":
                file.unlink()
        for name in self.names:
            values: dict[str, Any] = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            protected = "true" if name == "onto" else "false"
            text = FILE.format(name=name, release=OLD, subnet=free_subnet(),
                               protected=protected, **values)  # fmt: skip
            self.file(name).write_text(text)

    def file(self, name: str) -> Path:
        return self.folder / "config" / "environments" / f"{name}.toml"

    def rollout(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *words],
            cwd=self.folder,
            env={**os.environ, "PREFECT_HOME": str(self.folder / "prefect-client")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if check and done.returncode:
            pytest.fail(f"rollout {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def ran(self, name: str) -> dict[str, Any]:
        """release.json of the environment."""
        return json.loads((self.folder / f".{name}" / "stack" / "release.json").read_text())


@pytest.fixture(scope="module")
def checkout() -> Generator[Checkout]:
    # A socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="rollout-promote-"))
    folder.chmod(0o755)
    made = Checkout(folder)
    try:
        for name in made.names:
            made.rollout("deploy", name, "--yes")
        yield made
    finally:
        for name in made.names:
            made.rollout("down", name, "--purge", "--yes", check=False)
        shutil.rmtree(folder, ignore_errors=True)


def test_an_upgrade_that_was_proved_is_promoted_with_the_very_images_and_undone(
    checkout: Checkout,
) -> None:
    source, target = checkout.names
    refused = checkout.rollout("promote", source, target, check=False)
    assert refused.returncode == 1 and "is protected" in refused.stderr
    checkout.rollout("upgrade", source, "--to", NEW, "--without-drill")
    before = checkout.ran(source)
    assert before["version"] == NEW and f'release = "{NEW}"' in checkout.file(source).read_text()
    done = json.loads(checkout.rollout("promote", source, target, "--yes", "--json").stdout)
    assert (done["from"], done["to"]) == (OLD, NEW) and done["point"]
    assert done["proved"].endswith(" s") and "proved by a drill in" in done["proved"]
    assert checkout.ran(target)["images"] == before["images"]
    assert f'release = "{NEW}"' in checkout.file(target).read_text()
    again = json.loads(checkout.rollout("promote", source, target, "--yes", "--json").stdout)
    assert again["changes"] == 0
    assert checkout.ran(source) == before
    back = json.loads(checkout.rollout("rollback", target, "--yes", "--json").stdout)
    assert (back["from"], back["to"]) == (NEW, OLD)
    assert checkout.ran(target)["version"] == OLD and checkout.ran(source) == before


def test_what_was_changed_since_it_was_proved_is_not_promoted(checkout: Checkout) -> None:
    source, target = checkout.names
    words = ["docker", "rm", "--force", f"dify-{source}-web-1"]
    subprocess.run(words, check=True, capture_output=True)
    refused = checkout.rollout("promote", source, target, "--yes", check=False)
    assert refused.returncode == 1
    assert f"Dify {NEW} in {source} was changed since it passed verification" in refused.stderr
    assert checkout.ran(target)["version"] == OLD
