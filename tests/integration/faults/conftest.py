"""The things that steps need, each behind a proxy."""

import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import docker_engine as engine
from clients import postgres as database
from config.load import load_release
from tasks.core import step
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.images import pull
from tasks.steps.table import PARTS
from tests.engine import started
from tests.integration.faults.cells import SCALE, Cell, given
from tests.integration.faults.proxy import proxy, tcp, unix
from tests.integration.images.conftest import Maker, serve_registry
from tests.integration.sshd import SshServer


@pytest.fixture(scope="module")
def base(module_sandbox_site: Any) -> Site:
    """A PostgreSQL and a Redis that run, as somebody gives them to an external environment."""
    site: Site = module_sandbox_site()
    for name in ("pgsql", "redis"):
        for part in PARTS[name](site):
            converge(part)
    return site


@pytest.fixture
def postgres(base: Site) -> Generator[Cell]:
    with proxy(tcp("127.0.0.1", base.environment.postgres.port)) as way:
        yield Cell(given(base, postgres={"port": way.port}), "pgsql", way, "PostgreSQL at 127")


@pytest.fixture
def redis(base: Site) -> Generator[Cell]:
    with proxy(tcp("127.0.0.1", base.environment.redis.port)) as way:
        yield Cell(given(base, redis={"port": way.port}), "redis", way, "Redis at 127")


@pytest.fixture
def preflight(base: Site) -> Generator[Cell]:
    """Before anything else of a rollout: the given PostgreSQL."""
    with proxy(tcp("127.0.0.1", base.environment.postgres.port)) as way:
        site = given(base, postgres={"port": way.port})
        yield Cell(site, "preflight", way, f"127.0.0.1:{way.port} does not answer")


@pytest.fixture
def docker(base: Site, monkeypatch: pytest.MonkeyPatch) -> Generator[Cell]:
    with proxy(unix("/var/run/docker.sock")) as way:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{way.port}")
        yield Cell(given(base), "images", way, "Docker")


@pytest.fixture
def registry(base: Site, tmp_path: Path) -> Iterator[Cell]:
    """Three small images that only a registry has."""
    maker, tag = Maker(started(), tmp_path), uuid.uuid4().hex[:8]
    names = {role: f"rollout-test/{role}:{tag}" for role in ("api", "web", "nginx")}
    with serve_registry(tmp_path / "registry") as host, proxy(tcp(*_place(host))) as way:
        for name in names.values():
            maker(f"{host}/{name}", [1000])
            maker.push(f"{host}/{name}")
            maker.forget(f"{host}/{name}")
        images = {"source": "registry", "registries": [f"127.0.0.1:{way.port}"]}
        site = given(base, images=images, dify={"services": []})
        release = load_release("0.6.11").model_copy(update={"images": names, "digests": {}})
        pulled = [*names.values(), *(f"127.0.0.1:{way.port}/{name}" for name in names.values())]
        yield Cell(
            Site(site.environment, release, site.secrets),
            "images",
            way,
            "rollout-test/",
            lambda: maker.forget(*pulled),
        )
        maker.forget(*pulled)


def _place(host: str) -> tuple[str, int]:
    name, _, port = host.partition(":")
    return name, int(port)


@pytest.fixture
def ssh(base: Site, ssh_server: SshServer, tmp_path: Path) -> Generator[Cell]:
    with proxy(tcp("127.0.0.1", ssh_server.port)) as way:
        config = tmp_path / "config"
        config.write_text(
            f"Host node\n    Port {way.port}\n    HostKeyAlias [127.0.0.1]:{ssh_server.port}\n"
            f"Match all\nInclude {ssh_server.config}\n"
        )
        nodes = {"dify": ["node"], "ssh_config": str(config)}
        yield Cell(given(base, nodes=nodes), "pgsql", way, "node")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    if SCALE == 1:
        return
    monkeypatch.setattr(step, "ANSWERS_WITHIN_S", 0.1)
    monkeypatch.setattr(engine, "ANSWERS_WITHIN_S", 2)
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 2)
    monkeypatch.setattr(pull, "STALLED_AFTER_S", 2)
