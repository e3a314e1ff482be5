"""What serves is what a point names, and serves again where a restore fails."""

import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from pydantic import SecretStr

from config.errors import StepError
from config.load import load_release
from tasks.core import secret_file
from tasks.core.site import Site
from tasks.points import databases, interrupted_restore, replaced
from tasks.points.backup import silent, take
from tasks.points.choice import choose
from tasks.points.databases import twins
from tasks.points.fits import WouldMigrate, require_fits
from tasks.points.repository import Repository
from tasks.points.served import Served
from tasks.steps.containers import start_services, stop_services
from tasks.steps.pgsql import dify_database
from tests.integration import stack
from tests.integration.restoring import restore
from tests.integration.test_backup import made, repository_at, repository_of


class Refuses:
    """Where secrets are saved, and what saves them when asked again."""

    def __init__(self) -> None:
        self.saved: list[dict[str, SecretStr]] = []

    def __call__(self, _: Site, values: dict[str, SecretStr]) -> None:
        self.saved.append(values)
        if len(self.saved) == 1:
            raise StepError("restore", "the Prefect server is away")


@pytest.fixture(scope="module")
def serving(module_sandbox_site: Callable[..., Site]) -> Generator[Site]:
    """A Dify that runs, on rehearsal images."""
    with stack.deployed(module_sandbox_site, "1.15.0") as found:
        yield found


def containers(site: Site) -> dict[str, str]:
    """Which one each service has, and whether it runs; a busy machine makes its health change."""
    found = site.docker.containers(site.environment.dify.project)
    return {c.service: f"{c.id} {c.state}" for c in found}


def marks(site: Site) -> list[str]:
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS marks (mark text)")
        return [row[0] for row in connection.execute("SELECT mark FROM marks ORDER BY mark")]


def mark(site: Site, text: str) -> None:
    marks(site)
    with dify_database(site).connect() as connection:
        connection.execute("INSERT INTO marks VALUES (%s)", [text])


@pytest.fixture
def saved(serving: Site, tmp_path: Any) -> Repository:
    found = made(repository_at(serving, str(tmp_path / "repository")))
    return repository_of(serving, found)


def test_a_restore_that_fails_after_the_exchange_brings_back_what_served(
    serving: Site, saved: Repository
) -> None:
    of_the_point = {**serving.secrets, "secret_key": SecretStr("of the point")}
    elsewhere = serving.replace(secrets=of_the_point)
    mark(serving, "in the point")
    point = take(
        elsewhere, repository_of(elsewhere, saved), reason="asked", on_progress=silent
    ).point
    mark(serving, "later")
    before, secret, keep = containers(serving), serving.secrets["secret_key"], Refuses()
    with pytest.raises(StepError) as failed:
        restore(serving, choose(serving, saved, point, []), lambda: saved, keep=keep)
    assert "the Prefect server is away" in failed.value.cause
    assert "what served before serves again" in failed.value.cause
    assert containers(serving) == before
    assert marks(serving) == ["in the point", "later"]
    assert serving.secrets["secret_key"] == secret == keep.saved[-1]["secret_key"]
    interrupted_restore.require_ended(serving)
    [main, _] = twins(serving, replaced.DATABASES)
    for suffix in ("_previous", "_incoming"):
        assert not databases.exists(serving, main.named(suffix))


def test_a_repository_password_that_the_safety_point_needed_is_not_overwritten(
    serving: Site,
) -> None:
    """Without a Prefect server it is saved beside the stack, while the restore goes on."""
    place, node = serving.environment, serving.node
    secret_file.update(place, node, values=dict(serving.secrets))
    try:
        served = Served(serving)
        secret_file.update(place, node, repository={"password": "of the first point"})
        served.put_back()
        assert secret_file.read(place, node).repository == {"password": "of the first point"}
    finally:
        secret_file.path(place).unlink()


def test_a_restore_that_cannot_save_what_it_replaces_starts_what_it_stopped(
    serving: Site, saved: Repository
) -> None:
    mark(serving, "kept")
    point = take(serving, saved, reason="asked", on_progress=silent).point
    before = containers(serving)

    def away() -> Repository:
        raise StepError("backup", "the repository is away")

    with pytest.raises(StepError, match="the repository is away"):
        restore(serving, choose(serving, saved, point, []), away)
    deadline = time.monotonic() + 60
    while containers(serving) != before:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    interrupted_restore.require_ended(serving)


@pytest.fixture
def older(serving: Site) -> Site:
    """The same environment, whose file names the release before."""
    dify = serving.environment.dify.model_copy(update={"release": "0.6.11"})
    environment = serving.environment.model_copy(update={"dify": dify})
    return Site(environment, load_release("0.6.11"), dict(serving.secrets))


def test_a_point_says_what_ran_and_not_what_the_file_says(
    serving: Site, older: Site, saved: Repository
) -> None:
    found = take(serving, saved, reason="asked", on_progress=silent)
    assert found.notes == [] and found.release == "1.15.0"
    ran = {c.image for c in serving.docker.containers(serving.environment.dify.project)}
    assert set(found.images.values()) == ran
    same = take(older, repository_of(older, saved), reason="before-restore", on_progress=silent)
    assert (same.release, same.images) == (found.release, found.images)
    assert same.versions["schema"] == found.versions["schema"] == "5eed00001150"
    assert same.notes == ["Dify 1.15.0 runs, this run is for 0.6.11"]
    assert [point.release for point in saved.points()] == ["1.15.0", "1.15.0"]


def test_a_point_says_what_is_not_as_the_files_have_it(serving: Site, saved: Repository) -> None:
    env = serving.environment.dify.home / ".env"
    before = env.read_text()
    env.write_text(before.replace("LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG"))
    assert env.read_text() != before
    try:
        edited, other = take(serving, saved, reason="asked", on_progress=silent).notes
    finally:
        env.write_text(before)
    assert edited == "edited in .env since it was deployed: LOG_LEVEL"
    assert other.startswith("runs with other settings than its files have: api")


def test_a_point_says_that_nothing_ran(serving: Site, saved: Repository) -> None:
    services = list(serving.release.services)
    stop_services(serving, services)
    try:
        found = take(serving, saved, reason="asked", on_progress=silent)
    finally:
        start_services(serving, services)
    assert found.release == "1.15.0"
    assert found.notes == ["nothing ran: Dify 1.15.0 is what was deployed last"]


def test_a_release_that_does_not_know_the_point_is_refused_before_anything_is_stopped(
    serving: Site, older: Site, saved: Repository
) -> None:
    point = take(serving, saved, reason="asked", on_progress=silent).point
    before = containers(serving)
    with pytest.raises(StepError, match=r"of Dify 1\.15\.0, sandbox runs 0\.6\.11, which cannot"):
        choose(older, saved, point, [])
    choice = choose(serving, saved, point, [])
    require_fits(serving, choice)
    later = {"release": "1.16.1", "versions": {"schema": "6f5a9c2d8e1b"}}
    choice = choose(serving, saved, point, [], migrate=True)
    choice.manifest = choice.manifest.model_copy(update=later)
    with pytest.raises(StepError) as refused:
        require_fits(serving, choice)
    assert "which Dify 1.15.0 does not know; nothing was stopped" in refused.value.cause
    assert f"rollout restore sandbox {point} --release 1.16.1" in refused.value.advice
    assert containers(serving) == before


def test_a_release_that_would_migrate_the_point_says_so_and_asks(
    serving: Site, saved: Repository
) -> None:
    with dify_database(serving).connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '5eed00001130'")
    try:
        point = take(serving, saved, reason="asked", on_progress=silent).point
    finally:
        with dify_database(serving).connect() as connection:
            connection.execute("UPDATE alembic_version SET version_num = '5eed00001150'")
    choice = choose(serving, saved, point, [])
    with pytest.raises(WouldMigrate, match=r"would migrate it up.*nothing was stopped"):
        require_fits(serving, choice)
    require_fits(serving, choose(serving, saved, point, [], migrate=True))
    require_fits(serving, choose(serving, saved, point, ["plugin_daemon"]))
