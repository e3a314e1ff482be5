"""Every part of a real stack broken in turn: the right probe turns red, and nothing besides."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prometheus_client.parser import text_string_to_metric_families

from blocks import health_record
from config.environment import Environment
from config.load import ROOT, load_environment
from config.rules.finding import Finding, Status
from config.rules.health.record import Record
from tasks.core.lock import lock_file, rollout_lock
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.probes.health import rollout
from tasks.probes.health.ask import Checkup, ask
from tasks.probes.health.record import record
from tasks.server.alerts import OWNED, health_alerts
from tasks.server.automations import Automations
from tasks.steps.redis import dify_redis
from tests.integration.breaks import (
    CASES,
    backed_up,
    docker,
    name,
    overdue_backup,
    stopped_postgres,
    stopped_redis,
    worker_is_back,
)
from tests.integration.listener import Listener
from tests.integration.stack import deployed
from tests.long import long

HEALTH = {
    "again_after_s": 0.3,
    "missing_after_s": 10,
    "heal": {"web": 1},
}
MISSING = "no health run"
# Breaks of a kind that another case has.
LONG = {"api paused", "nginx paused", "portal firewalled"} | {
    f"{service} killed"
    for service in ("api_websocket", "worker_beat", "web", "sandbox", "plugin_daemon", "ssrf_proxy")
}
LIMITS = {"answer_s": [9.0, 20.0]}  # tests share their machine
# The command has no record, so it reads the last five minutes of logs, in which tests broke things.
WITHOUT_RECORD = {**LIMITS, "log_errors_per_min": [10_000, 20_000]}


@pytest.fixture(scope="module")
def stack(prefect: str, module_sandbox_site: Any, tmp_path_factory: Any) -> Generator[Site]:
    health = {**HEALTH, "metrics": str(tmp_path_factory.mktemp("metrics"))}
    with deployed(module_sandbox_site, "1.15.0", health=health, limits=LIMITS) as site:
        backed_up(site, datetime.now(UTC))
        create_table_artifact([{"proved": "yes"}], key=f"drill-{site.name}")
        yield site


@pytest.fixture
def quiet(stack: Site) -> Site:
    """The stack, with everything well and known to be."""
    settle(stack)
    return stack


def settle(site: Site, within_s: float = 60) -> Checkup:
    """Looked at until all is well, as after a repair."""
    deadline = time.monotonic() + within_s
    while (seen := record(site)).status is not Status.OK and time.monotonic() < deadline:
        time.sleep(0.5)
    assert causes(seen) == {}, told(seen)
    assert seen.status is Status.OK, told(seen)
    return seen


def causes(seen: Checkup) -> dict[str, Status]:
    return {f.probe: f.status for f in seen.findings if f.at_fault}


def told(seen: Checkup) -> list[str]:
    return [f"{f.probe} {f.status} [{f.because}] {f.said}" for f in seen.findings if f.bad]


def find(seen: Checkup, probe: str) -> Finding:
    return next(finding for finding in seen.findings if finding.probe == probe)


def with_health(environment: Environment, **keys: Any) -> Environment:
    health = environment.health.model_copy(update=keys)
    return environment.model_copy(update={"health": health})


def subjects(listener: Listener, about: str, count: int) -> list[str]:
    """Subjects that name it, once there are that many or nothing comes for a while."""
    deadline = time.monotonic() + 40
    while True:
        found = [each["subject"] for each in listener.heard if about in each["subject"]]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def pager(stack: Site, listener: Listener) -> Generator[Listener]:
    """Who is told of the stack, by automations as `rollout server setup` makes them."""
    listener.block().save("pager", overwrite=True)
    environment = with_health(stack.environment, notify=["custom-webhook/pager"])
    with get_client(sync_client=True) as client:
        wanted = health_alerts(client, {stack.name: environment})
        step = Automations(client, tuple(wanted), owned=OWNED)
        assert len(converge(step).changes) == 2
        assert converge(step).changes == ()
        yield listener
        gone = Automations(client, (), owned=OWNED)
        assert len(converge(gone).changes) == 2


@pytest.mark.parametrize("case", [long(name) if name in LONG else name for name in CASES])
def test_what_broke_is_named_and_nothing_else(quiet: Site, pager: Listener, case: str):
    """Within one run, with what to do; one message each way, though much depends on it."""
    breaking, expected, advice = CASES[case]
    pager.heard.clear()
    with breaking(quiet):
        seen = record(quiet)
    assert causes(seen) == expected, told(seen)
    (probe,) = expected
    assert advice in find(seen, probe).advice
    kind = "failed" if expected[probe] is Status.FAIL else "warned"
    assert [(alert.kind, alert.finding.probe) for alert in seen.alerts] == [(kind, probe)]
    recovered = [alert for look in recovery(quiet) for alert in look.alerts]
    assert [(alert.kind, alert.finding.probe) for alert in recovered] == [("recovered", probe)]
    assert subjects(pager, probe, 2) == [
        f"{quiet.name}: {probe} {kind}",
        f"{quiet.name}: {probe} recovered",
    ]
    assert all(probe in subject or MISSING in subject for subject in subjects(pager, "", 0))
    assert not any(value.get_secret_value() in str(seen) for value in quiet.secrets.values())


def recovery(site: Site) -> list[Checkup]:
    looks = [record(site)]
    deadline = time.monotonic() + 60
    while looks[-1].status is not Status.OK and time.monotonic() < deadline:
        time.sleep(0.5)
        looks.append(record(site))
    assert looks[-1].status is Status.OK, told(looks[-1])
    return looks


def test_what_depends_on_the_database_says_so(quiet: Site):
    with stopped_postgres(quiet):
        seen = record(quiet)
    because = {f.probe: f.because for f in seen.findings if f.because}
    assert because["api"] == "postgres"
    assert set(because.values()) == {"postgres"}
    recovery(quiet)


def test_a_sick_service_is_restarted_within_its_budget(quiet: Site):
    docker("kill", name(quiet, "web"))
    first, second = record(quiet), record(quiet)
    kinds = [alert.kind for seen in (first, second) for alert in seen.alerts]
    assert kinds.count("healed") == 1, kinds
    recovery(quiet)
    docker("kill", name(quiet, "web"))
    kinds = [alert.kind for _ in range(3) for alert in record(quiet).alerts]
    assert kinds == ["failed", "not-healed"]
    docker("start", name(quiet, "web"))
    recovery(quiet)


def test_metrics_are_what_prometheus_reads(quiet: Site):
    record(quiet)
    path = Path(quiet.environment.health.metrics) / f"dify-{quiet.name}.prom"
    families = {each.name: each for each in text_string_to_metric_families(path.read_text())}
    probes = {sample.labels["probe"] for sample in families["dify_probe_status"].samples}
    assert {"postgres", "queues", "api", "restore point"} <= probes
    assert all(family.type == "gauge" and family.documentation for family in families.values())
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_asking_changes_nothing(quiet: Site):
    """Asking does not even leave a key in Redis or a row in PostgreSQL."""

    def state() -> tuple[object, ...]:
        with dify_redis(quiet, broker=True).client() as client:
            # What a worker holds of the beat's jobs comes and goes by itself.
            keys = sorted(key for key in client.scan_iter() if not key.startswith("unacked"))
        containers = quiet.docker.containers(quiet.environment.dify.project)
        ids = [(one.id, one.state, one.restarts) for one in containers]
        files = {p: p.read_bytes() for p in quiet.environment.dify.home.iterdir() if p.is_file()}
        return keys, sorted(ids), files

    before = state()
    ask(quiet, Record())
    assert state() == before


def test_people_hear_what_to_do_and_of_silence(quiet: Site, pager: Listener):
    pager.heard.clear()
    with stopped_redis(quiet):
        record(quiet)
        record(quiet)
        subjects(pager, "redis", 1)
    [failed] = [each for each in pager.heard if MISSING not in each["subject"]]
    assert failed["subject"] == f"{quiet.name}: redis failed"
    assert "do: " in failed["body"] and "rollout deploy" in failed["body"]
    recovery(quiet)
    assert subjects(pager, MISSING, 1)[-1] == f"{quiet.name}: {MISSING}"


def test_a_deploy_excuses_what_it_takes_down_and_no_more(quiet: Site, pager: Listener):
    pager.heard.clear()
    lock = lock_file(quiet.environment)
    with (
        rollout_lock(quiet.node, lock, environment=quiet.name, run=f"deploy {quiet.name}"),
        overdue_backup(quiet),
    ):
        with stopped_redis(quiet):
            looks = [record(quiet) for _ in range(3)]
        worker_is_back(quiet)  # as a deploy ends with a proof that all works
    assert [list(causes(seen)) for seen in looks] == [["restore point"]] * 3
    assert find(looks[0], "redis").because == "rollout"
    assert looks[0].during.startswith(f"deploy {quiet.name} since 20")
    assert [alert.finding.probe for seen in looks for alert in seen.alerts] == ["restore point"]
    looks = recovery(quiet)
    assert {a.finding.probe for seen in looks for a in seen.alerts} == {"restore point"}
    assert not looks[-1].during


def test_a_deploy_that_never_ends_excuses_nothing(quiet: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rollout, "EXCUSED_S", 0)
    lock = lock_file(quiet.environment)
    with (
        rollout_lock(quiet.node, lock, environment=quiet.name, run=f"deploy {quiet.name}"),
        stopped_redis(quiet),
    ):
        time.sleep(1)
        seen = record(quiet)
    assert causes(seen) == {"rollout": Status.WARN, "redis": Status.FAIL}, told(seen)
    recovery(quiet)


def test_a_backup_takes_nothing_down(quiet: Site):
    lock = lock_file(quiet.environment)
    with rollout_lock(quiet.node, lock, environment=quiet.name, run=f"backup {quiet.name}"):
        docker("kill", name(quiet, "worker"))
        seen = record(quiet)
        docker("start", name(quiet, "worker"))
    assert causes(seen) == {"container worker": Status.FAIL}, told(seen)
    recovery(quiet)


def test_a_record_is_kept_as_one_document(quiet: Site):
    record(quiet)
    first = health_record.load(quiet.name)
    record(quiet)
    second = health_record.load(quiet.name)
    assert first.document == second.document
    assert second.record.at > first.record.at
    assert len(second.record.model_dump_json()) < 200_000


def variables(site: Site) -> dict[str, str]:
    """What makes the command line's sandbox this one; no Prefect server knows it."""
    usual, own = load_environment("sandbox").model_dump(), site.environment.model_dump(mode="json")
    limits = {
        f"ROLLOUT__LIMITS__{key}".upper(): str(value) for key, value in WITHOUT_RECORD.items()
    }
    return {"PREFECT_API_URL": "http://127.0.0.1:9/api", "TERM": "xterm", **limits} | {
        f"ROLLOUT__{section}__{key}".upper(): str(value)
        for section in ("sandbox", "postgres", "redis", "portal", "dify", "images")
        for key, value in own[section].items()
        if isinstance(value, str | int) and str(value) != str(usual[section][key])
    }


def test_all_that_was_logged_since_then_is_read(quiet: Site):
    found = quiet.docker.running(quiet.environment.dify.project)
    web = next(each for each in found if each.service == "web")
    since, told = time.time(), [f"said {number}" for number in range(1, 451)]
    words = ["docker", "exec", web.id, "sh", "-c", "seq -f 'said %g' 450 >/proc/1/fd/1"]
    subprocess.run(words, check=True)
    lines = quiet.docker.logs_since(web.id, since, 2000)
    assert [line for line in lines if line.startswith("said ")] == told
    assert len(quiet.docker.logs_since(web.id, since, 300)) == 300


def test_a_line_of_the_same_second_counts_for_one_run_only(quiet: Site):
    """An error that the last run saw is not seen again."""
    found = quiet.docker.running(quiet.environment.dify.project)
    web = next(each for each in found if each.service == "web").id
    docker("exec", web, "sh", "-c", "echo seen already >/proc/1/fd/1")
    at = quiet.docker.spoke(web)
    assert at
    assert "seen already" in quiet.docker.logs_since(web, at - 0.001, 2000)
    assert "seen already" not in quiet.docker.logs_since(web, at + 0.001, 2000)


@pytest.mark.long
def test_watching_draws_again_and_again_and_ends_quietly(quiet: Site):
    """On a terminal of 80 columns, until Ctrl-C; the exit status is how it was at last."""
    keys, screen = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "rollout"), "health", "sandbox", "--watch", "--every=0"],
        stdin=screen, stdout=screen, stderr=screen, env={**os.environ, **variables(quiet)},
        cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    os.close(screen)
    drawn = b""
    while drawn.count(b"sandbox is unknown") < 4:
        drawn += os.read(keys, 65536)
    os.kill(process.pid, signal.SIGINT)
    with suppress(OSError):  # the terminal is gone with its last process
        while more := os.read(keys, 65536):
            drawn += more
    assert process.wait(30) == 3  # nobody here knows of backups
    os.close(keys)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode()).replace("\r", "\n").splitlines()
    assert max(len(line) for line in lines) <= 80
    assert any("ok: api, api clock" in line for line in lines)
    assert "Traceback" not in drawn.decode() and "Aborted" not in drawn.decode()


def test_watching_into_a_file_is_a_line_each_time(quiet: Site):
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "rollout"), "health", "sandbox", "--watch", "--every=0"],
        stdout=subprocess.PIPE, env={**os.environ, **variables(quiet)}, cwd=ROOT, text=True,
    )  # fmt: skip
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 3
    said = " UTC  sandbox is unknown: restore point unknown ("
    assert [line for line in lines if said not in line] == []
