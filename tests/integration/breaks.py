"""How the tests of health break a real stack, one part at a time, and mend it again."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
from prefect.artifacts import create_table_artifact

from config.rules.finding import Status
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox import authority, nginx, postgres, redis
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), "")
Break = Callable[[Site], Any]


def backed_up(site: Site, at: datetime) -> None:
    """As the last backup left it."""
    row = {"point": f"{at:%Y%m%dT%H%M%SZ}", "reason": "schedule"}
    create_table_artifact([row], key=f"points-{site.name}")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def name(site: Site, service: str) -> str:
    return f"{site.environment.dify.project}-{service}-1"


@contextmanager
def stopped_postgres(site: Site) -> Iterator[None]:
    postgres.stop(site)
    yield
    for step in PARTS["pgsql"](site):
        converge(step)


@contextmanager
def stopped_redis(site: Site) -> Iterator[None]:
    redis.stop(site)
    yield
    for step in PARTS["redis"](site):
        converge(step)
    worker_is_back(site)


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
            worker_is_back(site)


def worker_is_back(site: Site) -> None:
    """It ends when Redis refuses it, and the engine starts it again."""
    deadline = time.monotonic() + 60
    with dify_redis(site).client() as client:
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
    for step in PARTS["portal"](site):
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


@contextmanager
def moved_api_clock(site: Site) -> Iterator[None]:
    """The API lives ten minutes later than everything else.

    gunicorn would take the times of its workers' files for a sign that they hang.
    """
    api = name(site, "api")
    start = docker("exec", api, "cat", "/entrypoint.sh")
    first, rest = start.split("\n", 1)
    faked = "LD_PRELOAD=/faketime.so FAKETIME=+10m GUNICORN_TIMEOUT=0"
    _put(site, "api", "/faketime.so", Path(FAKETIME).read_bytes())
    try:
        _started_by(site, "api", f"{first}\nexport {faked}\n{rest}")
        yield
    finally:
        _started_by(site, "api", start)


def _put(site: Site, service: str, path: str, content: bytes) -> None:
    """Where the engine keeps the container's files: inside they cannot be written."""
    words = ("inspect", "--format", "{{.GraphDriver.Data.MergedDir}}", name(site, service))
    target = Path(docker(*words).strip() + path)
    target.write_bytes(content)
    target.chmod(0o755)


def _started_by(site: Site, service: str, script: str) -> None:
    _put(site, service, "/entrypoint.sh", script.encode())
    docker("restart", "--time", "2", name(site, service))
    deadline = time.monotonic() + 60
    while not all(c.ready for c in site.docker.containers(site.environment.dify.project)):
        assert time.monotonic() < deadline, service
        time.sleep(0.2)


@contextmanager
def open_proxy(site: Site) -> Iterator[None]:
    """Squid runs with a rule that lets everything through; the file has been put right since."""
    path = site.environment.dify.home / "squid.conf"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"http_access deny to_private\n", b""))
    docker("kill", "--signal", "HUP", name(site, "ssrf_proxy"))
    time.sleep(1.5)
    path.write_bytes(before)
    try:
        yield
    finally:
        docker("kill", "--signal", "HUP", name(site, "ssrf_proxy"))
        time.sleep(1.5)


@contextmanager
def expiring_certificate(site: Site) -> Iterator[None]:
    certificate = authority.Paths.below(site.environment.sandbox.home).certificate
    with (
        patch.object(authority, "SERVER_DAYS", 5),
        patch.object(authority, "RENEW_DAYS", 1),
    ):
        certificate.unlink()
        for step in PARTS["portal"](site):
            converge(step)
        yield
    for step in PARTS["portal"](site):
        converge(step)


@contextmanager
def full_disk(site: Site) -> Iterator[None]:
    """A small disk where the data should be, filled to the last byte."""
    data, disk = site.environment.dify.data, site.environment.sandbox.home / "disk"
    disk.write_bytes(b"\0" * 8_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(data)], check=True)
    try:
        with (data / "fill").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 1024):
                pass
        yield
    finally:
        subprocess.run(["umount", str(data)], check=True)
        disk.unlink()


CASES: dict[str, tuple[Break, dict[str, Status], str]] = {
    "postgres stopped": (stopped_postgres, {"postgres": Status.FAIL}, "rollout deploy"),
    "postgres full": (without_connections, {"postgres": Status.FAIL}, "postgres.pool"),
    "redis stopped": (stopped_redis, {"redis": Status.FAIL}, "rollout deploy"),
    "redis full": (full_redis, {"redis memory": Status.FAIL}, "max_memory_mb"),
    "queue stuck": (stuck_queue, {"waiting jobs": Status.FAIL}, "nobody takes jobs from orphan"),
    "worker paused": (paused("worker"), {"container worker": Status.FAIL}, "docker unpause"),
    "api paused": (paused("api"), {"container api": Status.FAIL}, "docker unpause"),
    "nginx paused": (paused("nginx"), {"container nginx": Status.FAIL}, "docker unpause"),
    "ssrf proxy open": (open_proxy, {"ssrf proxy": Status.FAIL}, "squid.conf"),
    "certificate expires": (expiring_certificate, {"certificate": Status.FAIL}, "renewal"),
    "disk full": (full_disk, {"disk": Status.FAIL}, "make room on"),
    "portal stopped": (stopped_portal, {"portal": Status.FAIL}, "rollout deploy"),
    "portal firewalled": (blocked_portal, {"portal": Status.FAIL}, "rollout deploy"),
    "backup overdue": (overdue_backup, {"restore point": Status.FAIL}, "rollout backup"),
    "settings edited": (edited_settings, {"files": Status.WARN}, "rollout plan"),
    "api's clock moved": (moved_api_clock, {"api clock": Status.FAIL}, "NTP"),
    "clock moved": (moved_clock, {"machine clock": Status.FAIL}, "NTP"),
} | {
    f"{service} killed": (
        killed(service),
        {f"container {service}": Status.FAIL},
        "docker logs --tail 50 dify-test-",
    )
    for service in (
        "api",
        "api_websocket",
        "worker",
        "worker_beat",
        "web",
        "sandbox",
        "plugin_daemon",
        "ssrf_proxy",
        "nginx",
    )
}
