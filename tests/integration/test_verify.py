"""Verification of a whole private stack: that it passes, and that it sees what is broken."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from clients.dify import Dify
from clients.docker import Docker
from config.errors import StepError
from config.rules.finding import Finding
from tasks.core import release_file
from tasks.core.promotion import promoted
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.core.verified_mark import prove
from tasks.platforms.sandbox import nginx
from tasks.probes.engine import ask_all
from tasks.probes.subjects import portal as asked
from tasks.probes.verify import application, portal
from tasks.probes.verify.application import LOGIN, PREFIX, SETUP
from tasks.probes.verify.containers import CONTAINERS
from tasks.probes.verify.run import failed, verify
from tasks.probes.verify.state import POSTGRES, REDIS
from tasks.steps.compose import compose_steps
from tasks.steps.pgsql import admin, dify_database
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS
from tests.integration.stack import deployed

UPLOADS = "SELECT count(*) FROM upload_files WHERE name LIKE 'rollout-verify-%'"
# PostgreSQL cuts a name at 63 letters.
VECTORS = (
    "SELECT count(*) FROM pg_class WHERE relname LIKE 'embedding_vector_index_%' AND relkind = 'r'"
)


@pytest.fixture(scope="module")
def fresh(module_sandbox_site: Any) -> Generator[Site]:
    with deployed(module_sandbox_site, "1.15.0") as site:
        yield site


@pytest.fixture(scope="module")
def first(fresh: Site) -> list[Finding]:
    """What the first verification of a new stack says."""
    return verify(fresh, deep=True)


@pytest.fixture
def stack(fresh: Site, first: list[Finding]) -> Site:
    """A stack that was verified, and so set up, before."""
    assert wrong(first) == {}
    return fresh


@pytest.fixture
def dify(stack: Site) -> Generator[Dify]:
    """Dify, with the administrator logged in."""
    environment = stack.environment
    with Dify(
        environment.public_url,
        stack.release.api,
        verify=asked.trusted(stack),
        resolve=asked.place(stack),
    ) as client:
        client.login(environment.dify.admin_email, stack.secret("admin_password"))
        yield client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of the worker are given up after 2 s."""
    monkeypatch.setattr(application, "_INDEX_S", 2)
    monkeypatch.setattr(application, "_STREAM_S", 2)


@contextmanager
def stopped(site: Site, *services: str) -> Generator[None]:
    """Without these services; afterwards they run and are healthy again."""
    docker = Docker()
    client: Any = docker.client
    project = site.environment.dify.project
    chosen = [c for c in docker.containers(project) if c.service in services]
    assert len(chosen) == len(services)
    try:
        for container in chosen:
            client.api.stop(container.id, timeout=1)
        yield
    finally:
        for container in chosen:
            client.api.start(container.id)
        until(lambda: all(c.ready for c in docker.containers(project)))


def until(true: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def by_name(checks: Sequence[Finding]) -> dict[str, Finding]:
    return {check.probe: check for check in checks}


def wrong(checks: Sequence[Finding]) -> dict[str, str]:
    """Name → detail of what failed by itself."""
    return {check.probe: check.said for check in checks if check.at_fault}


def with_secret(site: Site, name: str, value: str) -> Site:
    return Site(site.environment, site.release, {**site.secrets, name: SecretStr(value)}, site.node)


def count(site: Site, statement: str) -> int:
    with dify_database(site).connect() as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def contents(site: Site) -> dict[str, Any]:
    """Of every table, how many rows it has and which transactions wrote them.

    PostgreSQL's own counters lag behind by seconds.
    """
    tables = "SELECT relname FROM pg_stat_user_tables"
    rows = "SELECT count(*), sum(xmin::text::bigint) FROM {}"
    with dify_database(site).connect() as connection:
        names = [str(name) for (name,) in connection.execute(tables)]
        return {
            name: connection.execute(SQL(rows).format(Identifier(name))).fetchone()
            for name in names
        }


def test_a_new_stack_passes_and_is_set_up_by_it(fresh: Site, first: list[Finding]):
    assert wrong(first) == {}
    assert failed(first) is None
    assert by_name(first)[SETUP].said == "now, with the account admin@dify.local"


def test_a_second_time_it_passes_with_what_is_there(stack: Site):
    heard: list[str] = []
    checks = verify(stack, deep=True, on_finding=lambda check: heard.append(check.probe))
    assert wrong(checks) == {}
    assert by_name(checks)[SETUP].said == "already"
    assert sorted(heard) == sorted(by_name(checks))


def test_the_quick_round_changes_nothing_in_dify(stack: Site, dify: Dify):
    # What an earlier verification uploaded and indexed, the worker removes when it comes to it.
    until(lambda: count(stack, UPLOADS) == 0)
    until(lambda: count(stack, VECTORS) == 0)
    before = contents(stack)
    checks = verify(stack, deep=False)
    assert wrong(checks) == {}
    assert LOGIN not in by_name(checks)
    assert contents(stack) == before


def test_nothing_of_it_is_left(stack: Site, dify: Dify):
    assert wrong(verify(stack, deep=True)) == {}
    assert dify.workflows.named(PREFIX) == []
    assert dify.knowledge.named(PREFIX) == []
    until(lambda: count(stack, UPLOADS) == 0)
    assert count(stack, "SELECT count(*) FROM pg_class WHERE relname LIKE 'rollout_verify%'") == 0
    with dify_redis(stack, broker=True).client() as client:
        assert client.keys("rollout-verify*") == []
    uploaded = stack.environment.dify.data / "app/storage/upload_files"
    until(lambda: [path for path in uploaded.rglob("*") if path.is_file()] == [])


def test_what_a_killed_run_left_is_removed(stack: Site, dify: Dify):
    app = dify.workflows.create(f"{PREFIX}dead0000")
    kept = dify.workflows.create("somebody's rollout-verify-app")
    file = dify.knowledge.upload(f"{PREFIX}dead0000.txt", "left behind")
    indexing = dify.knowledge.index(file)
    # A worker that is still at it when the dataset is removed makes its table of vectors again.
    dify.knowledge.wait(indexing, 60)
    dify.knowledge.upload(f"{PREFIX}lone0000.txt", "left behind a moment ago, in no dataset")
    assert wrong(verify(stack, deep=True)) == {}
    assert app not in dify.workflows.named("")
    assert indexing.dataset not in dify.knowledge.named("")
    assert kept in dify.workflows.named("")
    dify.workflows.delete(kept)
    until(lambda: count(stack, UPLOADS) == 0)


def test_without_a_worker_what_it_does_fails_and_is_still_removed(
    stack: Site, dify: Dify, impatient: None
):
    with stopped(stack, "worker"):
        checks = verify(stack, deep=True)
        assert wrong(checks) == {
            CONTAINERS: "worker is exited",
            "a document is indexed and found": "indexing: still waiting after 2 s",
            "a workflow runs (streaming)": wrong(checks)["a workflow runs (streaming)"],
        }
        assert "in time" in wrong(checks)["a workflow runs (streaming)"]
        assert dify.workflows.named(PREFIX) == []
        assert dify.knowledge.named(PREFIX) == []
        error = failed(checks)
        assert error is not None
        assert "done by the worker: look at its log" in str(error)


def test_a_missing_plugin_daemon_and_sandbox_are_named(stack: Site, dify: Dify):
    with stopped(stack, "plugin_daemon", "sandbox"):
        checks = verify(stack, deep=True)
        assert set(wrong(checks)) == {
            CONTAINERS,
            "plugin daemon answers the API",
            "sandbox runs code",
        }
        assert "Failed to request plugin daemon" in wrong(checks)["plugin daemon answers the API"]
        assert dify.workflows.named(PREFIX) == []
    assert dify.knowledge.named(PREFIX) == []


def test_another_admin_password_is_told_with_advice_and_tried_once(stack: Site):
    checks = verify(with_secret(stack, "admin_password", "another-pw-1"), deep=True)
    assert set(wrong(checks)) == {LOGIN}
    assert "does not accept the saved password of admin@dify.local" in wrong(checks)[LOGIN]
    assert by_name(checks)["an upload is read back"].said == f"not checked: {LOGIN} failed"
    error = failed(checks)
    assert error is not None and "flask reset-password" in str(error)
    assert "another-pw-1" not in str(error)


def test_wrong_passwords_of_the_state_are_told(stack: Site):
    broken = with_secret(with_secret(stack, "postgres_password", "x"), "redis_password", "y")
    checks = verify(broken, deep=False)
    assert set(wrong(checks)) == {POSTGRES, "plugin database answers", REDIS}
    assert by_name(checks)["pgvector computes"].said == f"not checked: {POSTGRES} failed"


@pytest.mark.parametrize("word", ["SUPERUSER", "CREATEDB"])
def test_a_role_with_superpowers_is_told(stack: Site, word: str):
    role = stack.environment.postgres.user
    with admin(stack) as connection:
        connection.execute(f"ALTER ROLE {role} {word}".encode())
        try:
            checks = verify(stack, deep=False)
        finally:
            connection.execute(f"ALTER ROLE {role} NO{word}".encode())
    assert wrong(checks) == {"PostgreSQL role has no superpowers": f"{role} is {word}"}


def test_a_missing_vector_extension_is_told_with_the_statement(stack: Site):
    # What earlier verifications indexed, the worker removes when it comes to it.
    until(lambda: count(stack, VECTORS) == 0)
    # CASCADE would take Dify's own tables with it: without it the test fails instead.
    name = stack.environment.postgres.database
    with admin(stack, name) as connection:
        connection.execute("DROP EXTENSION vector")
        try:
            checks = verify(stack, deep=False)
        finally:
            connection.execute("CREATE EXTENSION vector")
    assert set(wrong(checks)) == {"pgvector computes"}
    error = failed(checks)
    assert error is not None and 'CREATE EXTENSION "vector"' in str(error)


def test_a_redis_that_evicts_is_told(stack: Site):
    with dify_redis(stack).client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            checks = verify(stack, deep=False)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert set(wrong(checks)) == {"Redis evicts nothing"}


def test_a_second_beat_is_told(stack: Site):
    docker = Docker()
    client: Any = docker.client
    project = stack.environment.dify.project
    beat = next(c for c in docker.containers(project) if c.service == "worker_beat")
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": "worker_beat"}
    second = client.containers.run(
        beat.image, ["600"], entrypoint=["sleep"], labels=labels, detach=True
    )
    try:
        checks = verify(stack, deep=False)
    finally:
        second.remove(force=True)
    assert set(wrong(checks)) == {"exactly one beat"}
    assert "2 beat containers" in wrong(checks)["exactly one beat"]


def test_an_open_proxy_is_told(stack: Site):
    """Another squid in its place, that lets everything through."""
    conf: Path = stack.environment.dify.home / "squid.conf"
    text = conf.read_text()
    opened = "\n".join(line for line in text.splitlines() if not line.startswith("http_access"))
    with stopped(stack, "ssrf_proxy"):
        conf.write_text(opened + "\nhttp_access allow all\n")
    try:
        checks = verify(stack, deep=True)
    finally:
        with stopped(stack, "ssrf_proxy"):
            conf.write_text(text)
    assert set(wrong(checks)) == {"SSRF proxy blocks private addresses"}
    assert wrong(verify(stack, deep=False)) == {}


def test_a_certificate_nobody_vouches_for_is_told(stack: Site, tmp_path: Path):
    sandbox = stack.environment.sandbox.model_copy(update={"home": tmp_path})
    environment = stack.environment.model_copy(update={"sandbox": sandbox})
    with_ca_elsewhere = Site(environment, stack.release, stack.secrets, stack.node)
    found = wrong(portal_checks(with_ca_elsewhere))
    assert set(found) == {portal.CERTIFICATE}
    assert "dify.test presents a certificate: unable to get" in found[portal.CERTIFICATE]


def test_a_dead_portal_is_told(stack: Site):
    nginx.stop(stack)
    try:
        found = wrong(portal_checks(stack))
    finally:
        for step in PARTS["portal"](stack):
            converge(step)
    assert set(found) == {portal.CERTIFICATE, "http leads to https"}
    assert "Connection refused" in found[portal.CERTIFICATE]
    assert wrong(portal_checks(stack)) == {}


def portal_checks(site: Site) -> list[Finding]:
    with Dify(
        site.environment.public_url,
        site.release.api,
        verify=asked.trusted(site),
        resolve=asked.place(site),
    ) as client:
        return ask_all(portal.probes(site, client), patience=1)


def test_another_version_than_asked_for_is_told(stack: Site):
    newer = stack.release.model_copy(update={"version": "1.16.0"})
    checks = verify(Site(stack.environment, newer, stack.secrets, stack.node), deep=False)
    assert wrong(checks) == {portal.API: "it is Dify 1.15.0, expected 1.16.0"}


def test_no_check_says_a_secret(stack: Site, first: list[Finding], impatient: None):
    with stopped(stack, "api", "worker"):
        second = verify(stack, deep=True)
    assert "GET /console/api/setup: status 50" in wrong(second)[portal.API]
    said = repr([*first, *second])
    assert [name for name in stack.secrets if stack.secret(name) in said] == []


def test_dify_0_6_passes_too(sandbox_site: Any):
    with deployed(sandbox_site, "0.6.11") as site:
        assert wrong(verify(site, deep=True)) == {}
        again = verify(site, deep=True)
        assert wrong(again) == {}
        assert by_name(again)[SETUP].said == "already"


def test_only_what_passed_as_it_runs_is_promoted(
    stack: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dify = stack.environment.dify
    for name, value in (("HOME", dify.home), ("PROJECT", dify.project)):
        monkeypatch.setenv(f"ROLLOUT__DIFY__{name}", str(value))
    with pytest.raises(StepError, match=r"Dify 1\.15\.0 in sandbox has not passed verification"):
        promoted("sandbox")
    prove(stack, changed=True)
    running = {c.image for c in Docker().containers(dify.project)}
    found = promoted("sandbox")
    assert found.release == "1.15.0" and running <= set(found.images.values())
    release_file.update(stack.environment, stack.node, settings_of="another")
    with pytest.raises(StepError, match=r"with other settings than config/releases/1\.15\.0"):
        promoted("sandbox")
    assert len(prove(stack, changed=False)) > len(prove(stack, changed=False)), "proved anew, once"
    (web,) = [c for c in Docker().containers(dify.project) if c.service == "web"]
    client: Any = Docker().client
    client.api.remove_container(web.id, force=True)
    for step in compose_steps(stack):
        converge(step)
    with pytest.raises(StepError, match="was changed since it passed verification"):
        promoted("sandbox")
