"""A way down nobody asked for: refused before anything is written, stopped or planned."""

import json
import subprocess
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clients.docker import Docker, NoEnd
from config.errors import StepError
from config.hand_steps import Run
from config.load import load_release
from config.rules.finding import Status
from config.rules.revisions import Fit
from tasks.core import release_file
from tasks.core.site import Site
from tasks.core.step import Change, Kind, converge
from tasks.platforms.sandbox import redis
from tasks.steps import revisions, rollout
from tasks.steps.job import JobFailed, run_job
from tasks.steps.migrate import Migrate
from tasks.steps.pgsql import dify_database
from tasks.steps.reach import require_reached
from tasks.steps.settings import settings_steps
from tasks.steps.table import PARTS
from tests.integration import stack
from tests.integration.kept_out import kept_out
from tests.integration.store import storing, with_store
from tests.integration.tls_front import presenting
from tests.ports import free_ports
from tests.serving import serving

NEW, OLD = "1.15.0", "0.6.11"
HEAD, OLDER = "5eed00001150", "5eed00000611"
BEFORE = "5eed00001130"


@pytest.fixture(scope="module")
def newer(module_sandbox_site: Any) -> Generator[Site]:
    with stack.deployed(module_sandbox_site, NEW) as site:
        yield site


@pytest.fixture
def older(newer: Site) -> Site:
    """The same environment, whose file names the release before."""
    dify = newer.environment.dify.model_copy(update={"release": OLD})
    environment = newer.environment.model_copy(update={"dify": dify})
    return Site(environment, load_release(OLD), newer.secrets)


def at(site: Site, revision: str) -> None:
    with dify_database(site).connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])


def states(site: Site) -> dict[str, str]:
    found = site.docker.containers(site.environment.dify.project)
    return {c.service: f"{c.id} {c.state} {c.health}" for c in found}


def files(site: Site) -> dict[str, bytes]:
    home: Path = site.environment.dify.home
    return {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}


def test_the_image_said_what_it_knows_and_is_not_asked_again(newer: Site) -> None:
    stored = release_file.read(newer.environment, newer.node).revisions
    assert [listed[0] for listed in stored.values()] == [HEAD]
    assert revisions.in_database(newer) == HEAD
    assert revisions.fits(newer, HEAD) is Fit.SAME
    assert revisions.fits(newer, OLDER) is Fit.OLDER
    assert revisions.fits(newer, load_release("1.16.1").migration.head) is Fit.BESIDE
    assert revisions.fits(newer, load_release("1.17.1").migration.head) is Fit.NEWER


def test_a_release_that_does_not_know_the_revision_is_refused_by_plan_and_preflight(
    newer: Site, older: Site
) -> None:
    before = states(newer), files(newer)
    with pytest.raises(StepError) as refused:
        rollout.plan(older, only=["settings", "migrate", "compose"])
    assert (
        "the database is at revision 5eed00001150 of Dify 1.15.0, which Dify 0.6.11 does not "
        in (str(refused.value))
    )
    assert "rollout deploy sandbox --release 1.15.0" in refused.value.advice
    assert "rollout backup list sandbox" in refused.value.advice
    found = revisions.reading(older)
    assert found.status is Status.FAIL
    assert "5eed00001150" in found.said
    assert (states(newer), files(newer)) == before


def test_a_deploy_is_refused_before_its_settings_are_written(newer: Site, older: Site) -> None:
    before = states(newer), files(newer)
    first, *_ = settings_steps(older)
    with pytest.raises(StepError, match=r"of Dify 1\.15\.0, which Dify 0\.6\.11 does not know"):
        converge(first)
    assert (states(newer), files(newer)) == before


def test_what_the_image_does_not_list_is_refused_whatever_the_files_say(newer: Site) -> None:
    served = revisions.Served(newer)
    at(newer, "7b45942e39bb")  # the newest of a release whose file is here, and older
    try:
        with pytest.raises(StepError, match=r"revision 7b45942e39bb of Dify 0\.6\.11, which"):
            served.plan(served.observe())
        with pytest.raises(StepError, match="does not know"):
            Migrate(newer).apply(Change(Kind.CHANGE, "schema", "migrate the schema"))
    finally:
        at(newer, HEAD)
    assert all(" running " in state for state in states(newer).values())


def test_an_image_that_is_not_here_yet_is_asked_once_it_is(newer: Site) -> None:
    """Until then the release's file has to do, and the plan says that the image will be asked."""
    release = newer.release.model_copy(
        update={"images": {**newer.release.images, "api": "langgenius/dify-api:none"}}
    )
    absent = Site(newer.environment, release, newer.secrets)
    served = revisions.Served(absent)
    seen = served.observe()
    assert (seen.revision, seen.fit, seen.said) == (HEAD, Fit.OLDER, False)
    assert [change.what for change in served.plan(seen)] == [
        f"ask the image of Dify 1.15.0 whether it knows revision {HEAD}"
    ]
    with pytest.raises(StepError, match="dify-api:none is not on local"):
        served.apply(served.plan(seen)[0])


def test_a_container_that_is_asked_has_no_network_and_leaves_nothing(
    newer: Site, tmp_path: Path
) -> None:
    docker, image = Docker(), newer.release.images["api"]
    name = f"{newer.environment.dify.project}-once"
    asked: dict[str, Any] = {"name": name, "entrypoint": ["bash", "-c"], "environment": {"A": "b"}}
    said = docker.once(image, ['echo "$A"; ls /sys/class/net; exit 3'], timeout_s=60, **asked)
    assert said == (3, "b\nlo\n")
    words = ["id -u; cat /etc/given"]
    (folder := tmp_path / "given").write_text("a file\n")
    said = docker.once(
        image, words, timeout_s=60, user="0", mounts={str(folder): "/etc/given"}, **asked
    )
    assert said == (0, "0\na file\n")
    with pytest.raises(NoEnd, match="no end within 2 s"):
        docker.once(image, ["sleep 60"], timeout_s=2, **asked)
    assert not docker.client.containers.list(all=True, filters={"name": name})


def test_no_container_of_a_migration_is_left_when_its_time_is_over(newer: Site) -> None:
    slow = {"entrypoint": ["sleep"], "command": ["300"], "environment": {}}
    run = newer.release.migration.run.model_copy(update=slow)
    dify = newer.environment.dify.model_copy(update={"migrate_within_s": 5})
    quick = Site(newer.environment.model_copy(update={"dify": dify}), newer.release, newer.secrets)
    with pytest.raises(StepError, match=r"dify\.migrate_within_s raises this limit"):
        Migrate(quick)._run(run, {})
    assert not [c for c in newer.docker.containers(newer.environment.dify.project) if c.one_off]


def test_proxies_of_docker_s_configuration_reach_no_container_of_the_stack(
    newer: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = {"default": {"httpProxy": "http://192.0.2.1:3128", "noProxy": "a"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    plain = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "env"]
    words = [*plain, newer.release.images["api"]]
    control = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "http_proxy=http://192.0.2.1:3128" in control  # what it does elsewhere
    said = run_job(newer, Run(service="api", entrypoint=["env"]), name="seen", variables={},
                   timeout_s=60)  # fmt: skip
    assert "192.0.2.1" not in said
    assert {"http_proxy=", "HTTPS_PROXY=", "NO_PROXY=", "all_proxy="} <= set(said.splitlines())


CONNECT = """
import os, psycopg2
given = os.environ
psycopg2.connect(
    host=given["DB_HOST"], port=given["DB_PORT"], user=given["DB_USERNAME"],
    password=given["DB_PASSWORD"], dbname=given["DB_DATABASE"], sslmode=given["DB_SSL_MODE"],
)
"""


def test_containers_verify_the_certificate_that_postgresql_presents(
    newer: Site, tmp_path: Path
) -> None:
    where = newer.environment.postgres
    with presenting(tmp_path, where.port, where.host, where.host) as (port, its, other):
        for authority in (its, other):
            update = {"port": port, "sslmode": "verify-full", "ca": str(authority)}
            postgres = where.model_copy(update=update)
            environment = newer.environment.model_copy(update={"postgres": postgres})
            site = newer.replace(environment=environment)
            write(site)
            if authority == its:
                require_reached(site)
                continue
            with pytest.raises(StepError, match="certificate verify failed") as refused:
                require_reached(site)
            assert not refused.value.passes
            with pytest.raises(JobFailed, match="certificate verify failed"):
                as_daemon(site)
    write(newer)


def test_an_object_store_that_containers_do_not_reach_or_trust_is_named(
    newer: Site, tmp_path: Path
) -> None:
    host, (nobody,) = newer.environment.postgres.host, free_ports(1)
    with storing(tmp_path, host) as (endpoint, its, other):
        write(site := with_store(newer, endpoint, str(its)))
        require_reached(site)
        write(site := with_store(newer, endpoint, str(other)))
        with pytest.raises(StepError, match=f"the object store at {host}.*verify") as refused:
            require_reached(site)
        assert "storage.ca" in refused.value.advice
        assert not refused.value.passes
    write(site := with_store(newer, f"http://{host}:{nobody}", ""))
    with pytest.raises(StepError, match=r"the object store at .* refused") as refused:
        require_reached(site)
    assert refused.value.passes
    with broken_proxy(tmp_path, host, nobody) as endpoint:
        write(site := with_store(newer, endpoint, ""))
        with pytest.raises(StepError, match=r"HTTP 502.* is no S3 service") as refused:
            require_reached(site)
        assert refused.value.passes
    write(newer)


@contextmanager
def broken_proxy(folder: Path, host: str, nobody: int) -> Generator[str]:
    """An nginx before a store that does not run; its URL."""
    [port] = free_ports(1)
    server = (
        f"server {{ listen {host}:{port}; location / {{ proxy_pass http://{host}:{nobody}; }} }}"
    )
    (configuration := folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/log; events {{}}\n"
        f"http {{ access_log off; {server} }}\n"
    )
    with serving(["nginx", "-c", configuration, "-p", folder], stderr=subprocess.DEVNULL):
        yield f"http://{host}:{port}"


def write(site: Site) -> None:
    for step in settings_steps(site)[-1:]:
        converge(step)


def as_daemon(site: Site) -> None:
    """Log in by the one mode that the plugin daemon knows; its own address is in use."""
    run = Run(service="api", entrypoint=["python3", "-c", CONNECT])
    run_job(site, run, name="daemon", variables={"DB_SSL_MODE": "require"}, timeout_s=60)


def test_containers_that_postgresql_does_not_admit_are_told_from_the_machine(newer: Site) -> None:
    subnet = newer.environment.dify.subnet
    at(newer, BEFORE)
    began = stack.starts(newer)
    kept = pytest.raises(StepError, match="does not let Dify's containers in")
    with kept_out(newer), kept as refused:
        converge(Migrate(newer))
    assert "no pg_hba.conf entry for host" in refused.value.cause
    assert f"admit dbuser_dify from dify.subnet ({subnet})" in refused.value.advice
    assert (refused.value.passes, stack.starts(newer)) == (False, began)
    assert revisions.in_database(newer) == BEFORE
    at(newer, HEAD)


def test_a_redis_that_comes_back_is_waited_for_and_a_second_run_does_nothing(newer: Site) -> None:
    at(newer, BEFORE)
    with dify_database(newer).connect() as connection:
        connection.execute("ALTER TABLE apps DROP COLUMN maintainer")
    redis.stop(newer)
    with ThreadPoolExecutor() as pool:
        later = pool.submit(lambda: [time.sleep(2), *map(converge, PARTS["redis"](newer))])
        assert converge(Migrate(newer)).applied
        later.result()
    assert revisions.in_database(newer) == HEAD
    began = stack.starts(newer)
    assert converge(Migrate(newer)).changes == ()
    assert stack.starts(newer) == began
