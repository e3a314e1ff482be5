"""What tests of every kind may ask for."""

import os
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from config.environment import Environment
from config.load import load_environment, load_release
from config.secrets import generate
from tasks.core.site import Site
from tests.matrix import chosen
from tests.pigsty.double.build import Double, build
from tests.tracebacks import tracebacks

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

# Folders whose tests share what is dear to start: one process runs all of them.
TOGETHER = ("tests/e2e", "tests/integration/images", "tests/pigsty/contract")
# Files there that start everything of their own.
APART = {
    f"tests/e2e/test_{name}.py"
    for name in ("hostile_shell", "own_server", "server_dies", "without_server")
}
# Those there that share a second machine: on one alone all of them would take twice as long.
SECOND = {
    f"tests/e2e/test_{name}.py"
    for name in ("images", "killed", "pigsty", "sandbox", "storage", "support")
}


def pytest_configure() -> None:
    """Ctrl-C reaches what the tests start, also where a shell runs them in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen.choose_postgres()


def pytest_report_header() -> str:
    return "engines: " + ", ".join(f"{name} {found}" for name, found in chosen.versions().items())


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may run beside what (`--dist loadgroup`): folders that share a machine, else files."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        folder = next((folder for folder in TOGETHER if file.startswith(folder)), file)
        group = file if file in APART else "tests/e2e/more" if file in SECOND else folder
        if file in ("tests/integration/test_remote.py", "tests/integration/test_two_nodes.py"):
            group = "nodes"  # both need the same network
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def no_traceback(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str]]:
    """The tracebacks that `rollout` printed in the test; any of them fails it."""
    seen: list[str] = []
    heard: Any = getattr(subprocess.Popen, "communicate")  # noqa: B009 - its type is not known

    def communicate(process: Any, *given: Any, **named: Any) -> Any:
        said = heard(process, *given, **named)
        seen.extend(tracebacks(process.args, *said))
        return said

    monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
    yield seen
    assert seen == []


@dataclass(frozen=True)
class PigstyDouble(Double):
    """The double of Pigsty, and sites that deploy on it."""

    def environment(self, **sections: Mapping[str, Any]) -> Environment:
        """An environment of platform pigsty whose every machine is the double's.

        `environment(redis={"max_memory_mb": 64})`: each section's keys override the double's.
        """
        tree = load_environment("prod").model_dump()
        address = self.addresses[0]
        home = self.folder / "dify"
        project = f"dify-double-{address.rpartition('.')[2]}"
        double: dict[str, dict[str, Any]] = {
            "pigsty": {
                "home": self.tree,
                "version": self.version,
                "admin_ip": address,
                "pg_cluster": "pg-meta",
                "pg_nodes": [address],
                "redis_nodes": [address],
            },
            "postgres": {"host": address, "port": 5432},
            "redis": {"host": address, "port": 6379, "max_memory_mb": 64},
            "portal": {"http_port": self.http_port, "https_port": self.https_port},
            "dify": {"project": project, "home": home / "stack", "data": home / "data"},
            "nodes": {"free_gb": {"disk": 1.0, "memory": 1.0}},
        }
        for layer in ({"protected": False}, double, sections):
            for name, values in layer.items():
                tree[name] = {**tree[name], **values} if isinstance(values, Mapping) else values
        return Environment.model_validate(tree)

    def site(self, **sections: Mapping[str, Any]) -> Site:
        environment = self.environment(**sections)
        release = load_release(environment.dify.release)
        return Site(environment, release, generate(release, {}))


MakeDouble = Callable[..., PigstyDouble]


@pytest.fixture
def make_pigsty_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[MakeDouble]:
    """Makes doubles: `make_pigsty_double(version="v2.7.0", machines=2)`; nothing is installed yet.

    `double.install()` does that. The newest double's Ansible is first on PATH.
    """
    made: list[PigstyDouble] = []
    path = os.environ["PATH"]

    def make(version: str = "v4.5.0", machines: int = 1, major: int = 0) -> PigstyDouble:
        tree = tmp_path / f"pigsty-{len(made)}"
        double = PigstyDouble(**vars(build(tree, version, machines, major)))
        made.append(double)
        monkeypatch.setenv("PATH", f"{double.programs}:{path}")
        return double

    try:
        yield make
    finally:
        for double in made:
            double.remove()


@pytest.fixture
def pigsty_double(make_pigsty_double: MakeDouble) -> PigstyDouble:
    """One machine with Pigsty 4.5 installed on it: authority, portal, cluster pg-meta."""
    double = make_pigsty_double()
    double.install()
    return double
