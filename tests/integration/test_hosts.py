"""The hosts file of a real sandbox, and a real bind mount where a rename fails."""

import os
import subprocess
from pathlib import Path

import pytest

from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.hosts import hosts_of, remove
from tasks.steps.table import PARTS

MACHINE = "127.0.0.1 localhost\n"
LINE = "127.0.0.1 dify.test  # dify-rollout dify-sandbox\n"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root names the domain")


@pytest.fixture
def site() -> Site:
    environment = load_environment("sandbox")
    return Site(environment, load_release(environment.dify.release), {})


@needs_root
def test_named_and_forgotten_again(site: Site, tmp_path: Path):
    path = tmp_path / "hosts"
    path.write_text(MACHINE)
    assert len(converge(hosts_of(site, path)).changes) == 1
    assert path.read_text() == MACHINE + LINE
    assert remove(site, path)
    assert path.read_text() == MACHINE
    assert not remove(site, path)


@needs_root
def test_a_bind_mount_is_written_in_place(site: Site, tmp_path: Path):
    real, mount = tmp_path / "real", tmp_path / "hosts"
    real.write_text(MACHINE)
    mount.touch()
    if subprocess.run(["mount", "--bind", real, mount], capture_output=True).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no right to mount here")
    try:
        step = hosts_of(site, mount)
        converge(step)
        assert real.read_text() == MACHINE + LINE
        assert converge(step).changes == ()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["hosts", "real"]
    finally:
        subprocess.run(["umount", mount], check=True)


def test_nobody_but_root_and_the_sandbox_plans_anything(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    platform = site.environment.platform.model_copy(update={"kind": "external"})
    external = site.environment.model_copy(update={"platform": platform})
    assert PARTS["hosts"](Site(external, site.release, {})) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert PARTS["hosts"](site) == []
