"""An upgrade whose two releases run at once: people go on, and a failure restores nothing."""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from clients.waiting import until
from config.errors import StepError
from flows.parts.graph import Graph
from flows.parts.upgrading import Upgrading
from tasks.core import release_file, upgrade_mark
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.probes.verify.run import failed, verify
from tasks.steps import revisions
from tasks.steps import tasks as steps
from tasks.steps.compose import compose_steps
from tasks.steps.maintenance import is_read
from tasks.steps.pgsql import dify_database
from tasks.upgrades import way
from tests.integration.load import load
from tests.integration.test_backup import in_child
from tests.integration.upgrading import in_use, state, to

NEW, HEAD = "1.16.1", "5eed00001161"
PATHS = ("/console/api/setup", "/install")


@pytest.fixture(scope="module")
def dify(module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    places: Path = tmp_path_factory.mktemp("points") / "repository"
    with in_use(module_sandbox_site, places) as site:
        yield site


def upgrading(wanted: Site) -> Upgrading:
    return Upgrading(Graph(wanted), wanted, way.find(wanted))


def address(site: Site) -> str:
    return f"http://127.0.0.1:{site.environment.dify.port}"


def test_a_plan_says_which_way_it_will_be(dify: Site) -> None:
    beside = way.notes(way.find(to(dify, NEW)), drilled=True)
    assert "people go on: 1.16.1 starts beside 1.15.0, ready in about" in beside[0]
    away = way.notes(way.find(to(dify, "1.17.1")), drilled=True)
    assert "Dify 1.15.0 and 1.17.1 do not run at once" in away[0]
    assert away[0].startswith("nobody can use Dify for about")


def attempts(caplog: pytest.LogCaptureFixture) -> int:
    """How often a migration beside the old release was tried again."""
    return sum("holds a lock, trying again" in one.getMessage() for one in caplog.records)


def test_a_migration_that_fails_for_good_is_said_at_once(
    dify: Site, caplog: pytest.LogCaptureFixture
) -> None:
    before, wanted = state(dify), to(dify, NEW)
    with dify_database(dify).connect() as connection:
        connection.execute("CREATE TABLE agents (here boolean)")
    with pytest.raises(StepError, match=r"\(psycopg2.errors.DuplicateTable\)") as why:
        upgrading(wanted).carry_out(drilled=False)
    assert "Dify 1.15.0 serves again" in why.value.cause
    assert attempts(caplog) == 0
    assert state(dify) == before
    with dify_database(dify).connect() as connection:
        connection.execute("DROP TABLE agents")


def held_until_tried_again(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody has the revision locked until a migration has not got it once."""
    with dify_database(site).connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE alembic_version IN EXCLUSIVE MODE")
        until(lambda: attempts(caplog), within_s=300, every_s=0.1)


def test_a_new_release_that_does_not_answer_is_never_seen_and_nothing_is_restored(
    dify: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By then its schema is migrated, past a lock that was held at first."""
    monkeypatch.setattr("tasks.steps.routes.ANSWERS_WITHIN_S", 2.0)
    before, wanted = state(dify), to(dify, NEW)
    web = wanted.release.services["web"].model_copy(update={"entrypoint": ["sleep", "1000"]})
    services = wanted.release.services | {"web": web}
    broken = wanted.replace(release=wanted.release.model_copy(update={"services": services}))
    locker = Thread(target=held_until_tried_again, args=[dify, caplog])
    locker.start()
    with (
        load(address(dify), PATHS) as counted,
        pytest.raises(StepError, match="the new web answers nothing") as why,
    ):
        upgrading(broken).carry_out(drilled=False)
    locker.join()
    assert attempts(caplog) == 1
    assert counted.failed == {}
    assert "Dify 1.15.0 serves again" in why.value.cause
    assert "nothing of its data was restored" in why.value.cause
    assert state(dify) == before | {"schema": HEAD}
    assert upgrade_mark.read(dify) is None
    if error := failed(verify(dify, deep=True)):
        raise error


def dies_after(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "prove" if at == "verify" else "carry_out_parts"
    module = steps if at == "verify" else steps.work
    real = getattr(module, name)

    def step(site: Site, *words: Any, **options: Any) -> Any:
        found = real(site, *words, **options)
        if site.release.version == NEW and at in (*words, "verify"):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    monkeypatch.setattr(module, name, step)


def test_nobody_notices_an_upgrade_that_is_killed_and_gone_on_with(
    dify: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = to(dify, NEW)
    with load(address(dify), PATHS) as counted:
        for at in ("settings", "migrate", "compose", "verify"):
            with monkeypatch.context() as patch:
                dies_after(at, patch)
                died = in_child(lambda: upgrading(wanted).carry_out(drilled=False))
                assert died == -signal.SIGKILL
        report = upgrading(wanted).carry_out(drilled=False)
        assert is_read(wanted) is False
    assert counted.failed == {}
    assert counted.total > 200
    assert (report.serves, report.downtime_s) == (NEW, 0.0)
    assert revisions.in_database(wanted) == HEAD
    assert release_file.read(wanted.environment, wanted.node).version == NEW
    found = wanted.docker.containers(wanted.environment.dify.project)
    assert [one.service for one in found if one.kept] == ["web"]
    serving = [one.service for one in found if not one.kept]
    assert len(serving) == len(set(serving))


def test_pages_of_before_get_their_files_for_an_hour(
    dify: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = to(dify, NEW)

    def status(release: str) -> int:
        path = f"{address(dify)}/_next/static/{release}.js"
        return httpx.get(path, trust_env=False, timeout=10).status_code

    assert [status(release) for release in ("1.15.0", NEW, "none")] == [200, 200, 404]
    assert changed(wanted) == []
    monkeypatch.setattr("tasks.steps.kept.KEPT_S", 1.0)
    assert changed(wanted) == ["remove the old web that was kept for its files"]
    assert [status(release) for release in ("1.15.0", NEW)] == [404, 200]


def changed(site: Site) -> list[str]:
    return [change.what for step in compose_steps(site) for change in converge(step).changes]
