"""One installed double of Pigsty for a whole file of tests, and the steps that deploy on it."""

import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.core.site import Site
from tasks.core.step import Change, converge
from tasks.steps.table import PARTS
from tests.conftest import PigstyDouble
from tests.integration import sshd
from tests.integration.sshd import SshServer
from tests.pigsty.double.build import build
from tests.ports import free_ports

NAMES = ("bootstrap", "configure", "install", "docker", "pgsql", "redis", "portal", "hosts")
STEPS = tuple(PARTS[name] for name in NAMES)


def deploy(site: Site, steps: Sequence[Any] = STEPS) -> list[str]:
    """What every part of the steps changed, in order."""
    changes: list[Change] = []
    for build_steps in steps:
        for part in build_steps(site):
            changes += converge(part).changes
    return [change.what for change in changes]


def processes(double: PigstyDouble) -> tuple[list[str], list[int | None]]:
    """Every start there was, and the servers that run."""
    names = ("postgres", "nginx", "redis-dify-1-6379")
    return double.journal(), [double.pid(name) for name in names]


def _doubles(tmp: pytest.TempPathFactory, version: str) -> Generator[PigstyDouble]:
    double = PigstyDouble(**vars(build(tmp.mktemp("pigsty") / "tree", version)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{double.programs}:{os.environ['PATH']}")
        try:
            double.install()
            yield double
        finally:
            double.remove()


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Generator[PigstyDouble]:
    """One machine with Pigsty 4.5, where somebody else's cluster and portal are in use already."""
    yield from _doubles(tmp_path_factory, "v4.5.0")


@pytest.fixture(scope="module")
def old_double(tmp_path_factory: pytest.TempPathFactory) -> Generator[PigstyDouble]:
    """The same with Pigsty 2.7, whose playbooks purge what they are run over."""
    yield from _doubles(tmp_path_factory, "v2.7.0")


@contextmanager
def login(double: PigstyDouble, users: Mapping[str, str]) -> Generator[SshServer]:
    """Whoever logs in there finds the double's Ansible, as an administrator finds his own."""
    path = f"SetEnv PATH={double.programs}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="rollout-sshd-") as name:
        Path(name).chmod(0o755)
        server = sshd.start(Path(name), free_ports(1)[0], users, env=path)
        try:
            yield server
        finally:
            server.stop()
