"""Every part of a real stack broken in turn: the right probe turns red, and nothing besides."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prefect.artifacts import create_table_artifact
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prometheus_client.parser import text_string_to_metric_families

from blocks import health_record
from config.desired.health.record import Record
from config.desired.health.verdict import Finding, Status
from config.environment import Environment
from tasks.health import machine
from tasks.health.attend import attend
from tasks.health.look import Look, look
from tasks.health.question import Past, ask_all
from tasks.pgsql import pgsql_steps
from tasks.portal import portal_steps
from tasks.redis import dify_redis, redis_steps
from tasks.sandbox import authority, nginx, postgres, redis
from tasks.server.alerts import OWNED, health_alerts
from tasks.server.automations import Automations
from tasks.site import Site
from tasks.step import converge
from tests.integration import prefect_server
from tests.integration.conftest import free_ports
from tests.integration.stack import deployed

Break = Callable[[Site], Any]
HEALTH = {
    "again_after_s": 0.3,
    "deadline_s": 10.0,
    "missing_after_s": 10,
    "heal": ["web"],
    "heal_per_hour": 1,
}
LIMITS = {"answer_s": [9.0, 20.0]}  # tests share their machine


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder, (port,) = tmp_path_factory.mktemp("prefect"), free_ports(1)
    with (
        prefect_server.server(folder, port) as url,
        temporary_settings({PREFECT_API_URL: url}),
    ):
        yield url


@pytest.fixture(scope="module")
def stack(prefect: str, module_sandbox_site: Any, tmp_path_factory: Any) -> Generator[Site]:
    health = {**HEALTH, "metrics": str(tmp_path_factory.mktemp("metrics"))}
    with deployed(
        module_sandbox_site, "1.15.0", "172.30.86.0/24", health=health, limits=LIMITS
    ) as site:
        backed_up(site, datetime.now(UTC))
        create_table_artifact([{"proved": "yes"}], key=f"drill-{site.name}")
        yield site


def backed_up(site: Site, at: datetime) -> None:
    """As the last backup left it."""
    row = {"point": f"{at:%Y%m%dT%H%M%SZ}", "reason": "schedule"}
    create_table_artifact([row], key=f"points-{site.name}")


@pytest.fixture
def quiet(stack: Site) -> Site:
    """The stack, with everything well and known to be."""
    settle(stack)
    return stack


def settle(site: Site, within_s: float = 60) -> Look:
    """Looked at until all is well, as after a repair."""
    deadline = time.monotonic() + within_s
    while (seen := attend(site)).status is not Status.OK and time.monotonic() < deadline:
        time.sleep(0.5)
    assert causes(seen) == {}, told(seen)
    assert seen.status is Status.OK, told(seen)
    return seen


def causes(seen: Look) -> dict[str, Status]:
    return {f.probe: f.status for f in seen.findings if f.bad and not f.because}


def told(seen: Look) -> list[str]:
    return [f"{f.probe} {f.status} [{f.because}] {f.said}" for f in seen.findings if f.bad]


def find(seen: Look, probe: str) -> Finding:
    return next(finding for finding in seen.findings if finding.probe == probe)


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def name(site: Site, service: str) -> str:
    return f"{site.environment.dify.project}-{service}-1"


@contextmanager
def stopped_postgres(site: Site) -> Iterator[None]:
    postgres.stop(site)
    yield
    for step in pgsql_steps(site):
        converge(step)


@contextmanager
def stopped_redis(site: Site) -> Iterator[None]:
    redis.stop(site)
    yield
    for step in redis_steps(site):
        converge(step)


def killed(service: str) -> Break:
    @contextmanager
    def broken(site: Site) -> Iterator[None]:
        docker("kill", name(site, service))
        yield
        docker("start", name(site, service))

    return broken


def paused(service: str) -> Break:
    @contextmanager
    def broken(site: Site) -> Iterator[None]:
        docker("pause", name(site, service))
        try:
            yield
        finally:
            docker("unpause", name(site, service))

    return broken


@contextmanager
def blocked_portal(site: Site) -> Iterator[None]:
    """A firewall that swallows what goes to the portal, in a chain of the test's own."""
    port, chain = str(site.environment.portal.https_port), "ROLLOUT-HEALTH"
    hook = ["-p", "tcp", "--dport", port, "-j", chain]
    iptables = ["iptables", "-w", "10"]
    subprocess.run([*iptables, "-N", chain], check=True)
    try:
        subprocess.run([*iptables, "-A", chain, "-j", "DROP"], check=True)
        subprocess.run([*iptables, "-I", "INPUT", *hook], check=True)
        yield
    finally:
        subprocess.run([*iptables, "-D", "INPUT", *hook], check=False)
        subprocess.run([*iptables, "-F", chain], check=True)
        subprocess.run([*iptables, "-X", chain], check=True)


@contextmanager
def without_connections(site: Site) -> Iterator[None]:
    """Somebody took every connection an ordinary role can have."""
    settings = site.environment.postgres
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):
            for _ in range(settings.max_connections + 1):
                held.enter_context(
                    psycopg.connect(
                        host=settings.host,
                        port=settings.port,
                        user=settings.user,
                        password=site.secret("postgres_password"),
                        dbname=settings.database,
                    )
                )
        yield


@contextmanager
def full_redis(site: Site) -> Iterator[None]:
    with dify_redis(site).client() as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", 1_000_000)
        try:
            yield
        finally:
            client.config_set("maxmemory", before)
            # The worker ended over it, and the engine starts it again.
            deadline = time.monotonic() + 60
            while not any(int(one["psub"]) for one in client.client_list()):
                assert time.monotonic() < deadline
                time.sleep(0.2)


@contextmanager
def stuck_queue(site: Site) -> Iterator[None]:
    """A queue with a job from an hour ago that no worker takes."""
    headers = {"id": "stuck", "timestamp": time.time() - 3600}
    with dify_redis(site, broker=True).client() as client:
        client.sadd("_kombu.binding.orphan", "orphan\x06\x16\x06\x16orphan")
        client.lpush("orphan", json.dumps({"headers": headers, "properties": {}}))
        try:
            yield
        finally:
            client.delete("orphan", "_kombu.binding.orphan")


@contextmanager
def stopped_portal(site: Site) -> Iterator[None]:
    nginx.stop(site)
    yield
    for step in portal_steps(site):
        converge(step)


@contextmanager
def overdue_backup(site: Site) -> Iterator[None]:
    backed_up(site, datetime.now(UTC) - timedelta(days=9))
    yield
    backed_up(site, datetime.now(UTC))


@contextmanager
def edited_settings(site: Site) -> Iterator[None]:
    path = site.environment.dify.home / ".env"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"LOG_LEVEL=INFO", b"LOG_LEVEL=ERROR"))
    try:
        yield
    finally:
        path.write_bytes(before)


@contextmanager
def moved_clock(site: Site) -> Iterator[None]:
    """The machine's own `date` is an hour ahead; no other clock is."""
    folder = site.environment.sandbox.home / "clock"
    folder.mkdir(exist_ok=True)
    script = folder / "date"
    script.write_text('#!/bin/sh\nexec /bin/date -d "+1 hour" "$@"\n')
    script.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


CASES: dict[str, tuple[Break, dict[str, Status], str]] = {
    "postgres stopped": (stopped_postgres, {"postgres": Status.FAIL}, "rollout deploy"),
    "postgres full": (without_connections, {"postgres": Status.FAIL}, "pool_size"),
    "redis stopped": (stopped_redis, {"redis": Status.FAIL}, "rollout deploy"),
    "redis full": (full_redis, {"redis memory": Status.FAIL}, "max_memory_mb"),
    "queue stuck": (stuck_queue, {"waiting jobs": Status.FAIL}, "nobody takes jobs from orphan"),
    "worker paused": (paused("worker"), {"container worker": Status.FAIL}, "docker unpause"),
    "api paused": (paused("api"), {"container api": Status.FAIL}, "docker unpause"),
    "portal stopped": (stopped_portal, {"portal": Status.FAIL}, "rollout deploy"),
    "portal firewalled": (blocked_portal, {"portal": Status.FAIL}, "rollout deploy"),
    "backup overdue": (overdue_backup, {"restore point": Status.FAIL}, "rollout backup"),
    "settings edited": (edited_settings, {"files": Status.WARN}, "rollout plan"),
    "clock moved": (moved_clock, {"machine clock": Status.FAIL}, "NTP"),
} | {
    f"{service} killed": (
        killed(service),
        {f"container {service}": Status.FAIL},
        "docker logs --tail 50 dify-test-",
    )
    for service in (
        "api",
        "worker",
        "worker_beat",
        "web",
        "sandbox",
        "plugin_daemon",
        "ssrf_proxy",
        "nginx",
    )
}


@pytest.mark.parametrize("case", CASES)
def test_what_broke_is_named_and_nothing_else(quiet: Site, case: str):
    """Within one run, with what to do; one alert each way, though much depends on it."""
    breaking, expected, advice = CASES[case]
    with breaking(quiet):
        seen = attend(quiet)
    assert causes(seen) == expected, told(seen)
    (probe,) = expected
    assert advice in find(seen, probe).advice
    kind = "failed" if expected[probe] is Status.FAIL else "warned"
    assert [(alert.kind, alert.finding.probe) for alert in seen.alerts] == [(kind, probe)]
    recovered = [alert for look in recovery(quiet) for alert in look.alerts]
    assert [(alert.kind, alert.finding.probe) for alert in recovered] == [("recovered", probe)]
    assert not any(value.get_secret_value() in str(seen) for value in quiet.secrets.values())


def recovery(site: Site) -> list[Look]:
    looks = [attend(site)]
    deadline = time.monotonic() + 60
    while looks[-1].status is not Status.OK and time.monotonic() < deadline:
        time.sleep(0.5)
        looks.append(attend(site))
    assert looks[-1].status is Status.OK, told(looks[-1])
    return looks


def test_what_depends_on_the_database_says_so(quiet: Site):
    with stopped_postgres(quiet):
        seen = attend(quiet)
    because = {f.probe: f.because for f in seen.findings if f.because}
    assert because["api"] == "postgres"
    assert set(because.values()) == {"postgres"}
    recovery(quiet)


def test_a_certificate_about_to_expire(quiet: Site, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(authority, "SERVER_DAYS", 5)
        patched.setattr(authority, "RENEW_DAYS", 1)
        authority.Paths.below(quiet.environment.sandbox.home).certificate.unlink()
        for step in portal_steps(quiet):
            converge(step)
        seen = attend(quiet)
    assert causes(seen) == {"certificate": Status.FAIL}, told(seen)
    assert find(seen, "certificate").measured.startswith("4.9")
    for step in portal_steps(quiet):
        converge(step)
    recovery(quiet)


def test_a_disk_that_is_full(stack: Site, tmp_path: Path):
    """A small filesystem of its own, filled to the last byte."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(tmp_path)], check=True)
    try:
        dify = stack.environment.dify.model_copy(update={"data": tmp_path})
        environment = stack.environment.model_copy(update={"dify": dify})
        site = Site(environment, stack.release, stack.secrets, stack.node)
        empty = ask_all(machine.questions(site), Past(), 10)
        with suppress(OSError):
            (tmp_path / "fill").write_bytes(b"x" * 5_000_000)
        full = ask_all(machine.questions(site), Past(), 10)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    before = {finding.probe: finding for finding in empty.findings}
    after = {finding.probe: finding for finding in full.findings}
    assert before["disk"].status is Status.OK
    assert after["disk"].status is Status.FAIL
    assert str(tmp_path) in after["disk"].advice


def test_a_sick_service_is_restarted_within_its_budget(quiet: Site):
    docker("kill", name(quiet, "web"))
    first, second = attend(quiet), attend(quiet)
    kinds = [alert.kind for seen in (first, second) for alert in seen.alerts]
    assert kinds.count("healed") == 1, kinds
    recovery(quiet)
    docker("kill", name(quiet, "web"))
    kinds = [alert.kind for _ in range(3) for alert in attend(quiet).alerts]
    assert kinds == ["failed", "not-healed"]
    docker("start", name(quiet, "web"))
    recovery(quiet)


def test_metrics_are_what_prometheus_reads(quiet: Site):
    attend(quiet)
    path = Path(quiet.environment.health.metrics) / f"dify-{quiet.name}.prom"
    families = {each.name: each for each in text_string_to_metric_families(path.read_text())}
    probes = {sample.labels["probe"] for sample in families["dify_probe_status"].samples}
    assert {"postgres", "queues", "api", "restore point"} <= probes
    assert all(family.type == "gauge" and family.documentation for family in families.values())
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_look_changes_nothing(quiet: Site):
    """Asking does not even leave a key in Redis or a row in PostgreSQL."""

    def state() -> tuple[object, ...]:
        with dify_redis(quiet, broker=True).client() as client:
            keys = sorted(client.scan_iter())
        containers = quiet.docker.containers(quiet.environment.dify.project)
        ids = [(one.id, one.state, one.restarts) for one in containers]
        files = {p: p.read_bytes() for p in quiet.environment.dify.home.iterdir() if p.is_file()}
        return keys, sorted(ids), files

    before = state()
    look(quiet, Record())
    assert state() == before


@dataclass
class Listener:
    """A webhook that remembers what it was sent."""

    port: int
    heard: list[dict[str, Any]] = field(default_factory=list)

    def wait(self, count: int, within_s: float = 20) -> list[dict[str, Any]]:
        deadline = time.monotonic() + within_s
        while len(self.heard) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.heard


@pytest.fixture
def listener() -> Generator[Listener]:
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            heard.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Listener(server.server_port, heard)
    finally:
        server.shutdown()
        thread.join()


def notifying(environment: Environment, slugs: list[str]) -> Environment:
    health = environment.health.model_copy(update={"notify": slugs})
    return environment.model_copy(update={"health": health})


def subjects(listener: Listener, about: str, count: int) -> list[str]:
    """Subjects that name it, once there are that many or nothing comes for a while."""
    deadline = time.monotonic() + 40
    while True:
        found = [each["subject"] for each in listener.heard if about in each["subject"]]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def test_people_hear_once_of_a_failure_its_end_and_of_silence(quiet: Site, listener: Listener):
    CustomWebhookNotificationBlock(
        name="pager",
        url=f"http://127.0.0.1:{listener.port}/",
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
    ).save("pager", overwrite=True)
    environment = notifying(quiet.environment, ["custom-webhook/pager"])
    with get_client(sync_client=True) as client:
        wanted = health_alerts(client, {quiet.name: environment})
        step = Automations(client, tuple(wanted), owned=OWNED)
        assert len(converge(step).changes) == 2
        assert converge(step).changes == ()
        with stopped_redis(quiet):
            attend(quiet)
            attend(quiet)
        (failed,) = [each for each in listener.wait(1) if "no health run" not in each["subject"]]
        assert failed["subject"] == f"{quiet.name}: redis failed"
        assert "do: " in failed["body"] and "rollout deploy" in failed["body"]
        recovery(quiet)
        attend(quiet)
        # The worker may take longer to find Redis again, and is told of in its own right.
        assert subjects(listener, "redis", 2) == [
            f"{quiet.name}: redis failed",
            f"{quiet.name}: redis recovered",
        ]
        assert subjects(listener, "no health run", 1)[-1] == f"{quiet.name}: no health run"
        gone = Automations(client, (), owned=OWNED)
        assert len(converge(gone).changes) == 2


def test_a_record_is_kept_as_one_document(quiet: Site):
    attend(quiet)
    first = health_record.load(quiet.name)
    attend(quiet)
    second = health_record.load(quiet.name)
    assert first.document == second.document
    assert second.record.at > first.record.at
    assert len(second.record.model_dump_json()) < 200_000
