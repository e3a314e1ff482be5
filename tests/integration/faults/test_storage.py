"""Backups and drills whose object storage is away for a while, for good, or hangs.

It has the repository, or the buckets that Dify keeps its files in. `make chaos` runs every cell.
"""

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.repository import BackupRepository
from clients import s3
from config.errors import RolloutError
from config.rules.restore_point import Manifest
from flows.parts.graph import Graph
from flows.parts.point import take_point
from tasks.core.site import Site
from tasks.points import backup as backups
from tasks.points import repository as repositories
from tasks.points import repository_access, silence, tasks
from tasks.points.repository import Repository
from tasks.tools import rclone
from tests.integration.faults.cells import AWAY_S, RETRIES, SCALE, changed
from tests.integration.faults.proxy import Proxy, Way, proxy, tcp
from tests.integration.faults.test_matrix import attempts
from tests.integration.test_backup import PASSWORD, State, listens, running
from tests.long import long
from tests.ports import free_ports

KEY, SECRET = "KEYIDLONGENOUGH", "verysecretkey"


@dataclass(frozen=True)
class Store:
    """A site that needs the service behind the proxy, and what of it is in the way of a point."""

    site: Site
    proxy: Proxy

    def tried(self, attempts: int) -> "Store":
        """The same, with so many attempts at each step."""
        retries = {"retries": RETRIES | {"attempts": attempts}}
        site = changed(self.site, nodes=retries)
        return Store(Site(site.environment, site.release, site.secrets, self.site.node), self.proxy)

    def opened(self) -> Repository:
        return Graph(self.site).run(tasks.open_repository, create=True)

    def point(self, meanwhile: Callable[[], object] = lambda: None) -> Manifest:
        """A new point; `meanwhile` comes once its first part is being saved."""
        done: list[str] = []

        def progress(part: str, _: float) -> None:
            if not done:
                done.append(part)
                meanwhile()

        return take_point(Graph(self.site), self.opened(), "asked", progress)


@pytest.fixture
def service(tmp_path: Path) -> Generator[Proxy]:
    """An S3 service behind a proxy, with the buckets `points`, `dify-files` and `dify-plugins`."""
    (port,) = free_ports(1)
    for name in ("points", "dify-files", "dify-plugins"):
        (tmp_path / "s3" / name).mkdir(parents=True)
    for number in range(20):
        (tmp_path / "s3" / "dify-files" / f"{number}.txt").write_text(str(number) * 5000)
    words = ["rclone", "serve", "s3", str(tmp_path / "s3"), "--addr", f"127.0.0.1:{port}",
             "--auth-key", f"{KEY},{SECRET}"]  # fmt: skip
    with running(words, listens(port)), proxy(tcp("127.0.0.1", port)) as way:
        yield way


@pytest.fixture
def repository(base: Site, service: Proxy) -> Store:
    """The repository is in a bucket."""
    url = f"s3:http://127.0.0.1:{service.port}/points"
    return _store(base, service, backup={"repository": url})


@pytest.fixture
def buckets(base: Site, service: Proxy, tmp_path: Path) -> Store:
    """Dify's files are in buckets, and a point has them."""
    storage = {
        "kind": "s3", "endpoint": f"http://127.0.0.1:{service.port}", "address_style": "path",
        "bucket": "dify-files", "plugin_bucket": "dify-plugins",
    }  # fmt: skip
    backup = {"repository": str(tmp_path / "repository"), "objects": True}
    return _store(base, service, storage=storage, backup=backup)


def _store(base: Site, service: Proxy, **sections: Any) -> Store:
    State(base).fill(5)
    base.environment.dify.home.mkdir(parents=True, exist_ok=True)
    site = changed(base, **sections)
    keys = {"s3_access_key": SecretStr(KEY), "s3_secret_key": SecretStr(SECRET)}
    site = Site(site.environment, site.release, {**site.secrets, **keys}, site.node)
    opens = {"AWS_ACCESS_KEY_ID": SecretStr(KEY), "AWS_SECRET_ACCESS_KEY": SecretStr(SECRET)}
    repository_access.save(site, BackupRepository(password=SecretStr(PASSWORD), credentials=opens))
    return Store(site, service)


@pytest.fixture(params=["repository", "buckets"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    found.opened()
    return found


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, logger="rollout")
    return partial(attempts, caplog)


def whole(store: Store, made: Manifest) -> None:
    """The point is one, and each of its parts is in the repository once."""
    [found] = store.opened().points()
    assert found.id == made.point
    assert len(found.snapshots) == len(made.parts) + 1 == len(store.opened().snapshots())


def test_a_repository_that_is_away_for_a_while_is_waited_for(
    repository: Store, said: Callable[[], list[str]]
) -> None:
    repository.proxy.away(AWAY_S)
    made = repository.point()
    whole(repository, made)
    assert said() and all("no repository answers at s3:http" in line for line in said())


def test_a_quiet_service_is_asked_once(store: Store, said: Callable[[], list[str]]) -> None:
    whole(store, store.point())
    assert said() == []


@pytest.mark.long
def test_a_service_that_goes_in_the_middle_of_a_point_is_waited_for(
    store: Store, said: Callable[[], list[str]]
) -> None:
    began = time.monotonic()
    whole(store, store.point(lambda: store.proxy.away(AWAY_S)))
    print(f"measured: {time.monotonic() - began:.1f} s, {said()}")


@pytest.mark.long
def test_a_drill_waits_for_its_repository(repository: Store, said: Callable[[], list[str]]) -> None:
    made = repository.point()
    graph = Graph(repository.site)
    repository.proxy.away(AWAY_S)
    choice = graph.run(tasks.choose, source=repository.site, point="latest", only=[])
    assert choice.point.id == made.point and said()
    drilling = graph.run(tasks.begin_drill, choice=choice, on_progress=backups.silent)
    try:
        for part in drilling.parts:
            repository.proxy.away(AWAY_S)
            graph.run(tasks.fill_drill, part, drilling=drilling)
    finally:
        graph.run(tasks.clear_drill, drilling=drilling)


@pytest.mark.long
def test_a_service_that_stays_away_ends_a_backup_in_one_sentence(store: Store) -> None:
    store.proxy.set(Way.CLOSED)
    began = time.monotonic()
    with pytest.raises(RolloutError) as raised:
        store.point()
    cause, *rest = str(raised.value).splitlines()
    print(f"measured: {time.monotonic() - began:.1f} s: {raised.value}")
    assert "no repository answers at s3:" in cause or "object store dify-files" in cause
    assert any("5 times in " in line for line in rest), rest


def ask_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rclone, "SILENT_S", 1)
    monkeypatch.setattr(silence, "ASK_EVERY_S", 0.5)
    monkeypatch.setattr(silence, "SILENCES", 2)
    monkeypatch.setattr(repositories, "ANSWER_S", 1.0)
    monkeypatch.setattr(s3, "TIMEOUT_S", 1.0)


@pytest.mark.parametrize(
    ("store", "attempted"),
    [("repository", 2), long("repository", 5), long("buckets", 5)],
    indirect=["store"],
)
def test_a_service_that_hangs_in_the_middle_ends_a_backup(
    store: Store, attempted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if SCALE < 1:
        ask_soon(monkeypatch)
    store = store.tried(attempted)
    began = time.monotonic()
    with pytest.raises(RolloutError, match=r"(?s)does not answer|no repository answers") as raised:
        store.point(lambda: store.proxy.set(Way.HANGING))
    print(f"measured: {time.monotonic() - began:.1f} s: {raised.value}")
    assert f"{attempted} times in " in str(raised.value)


@pytest.mark.long
def test_keys_that_are_refused_are_sent_once(
    repository: Store, said: Callable[[], list[str]]
) -> None:
    repository.opened()
    opens = {"AWS_ACCESS_KEY_ID": SecretStr(KEY), "AWS_SECRET_ACCESS_KEY": SecretStr("wrong")}
    access = BackupRepository(password=SecretStr(PASSWORD), credentials=opens)
    repository_access.save(repository.site, access)
    with pytest.raises(RolloutError, match="signature"):
        repository.opened()
    assert said() == []
