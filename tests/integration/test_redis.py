"""The sandbox's Redis, for real: file, settings in effect, password, durability."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clients.processes import processes
from clients.redis import RedisRefused, RedisServer, RedisUnreachable
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, converge
from tasks.platforms.sandbox.redis import Server, daemon, folder, stop
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS
from tests.ports import free_ports

MakeSite = Callable[..., Site]
NASTY = 'it\'s a "p@ss" \\word \\x41 \\n $(id) ${HOME} #1 %41 /:?&=+ ünïcødé 漢字 ~`!^*[]{}|;<>,.'


def deploy(site: Site) -> list[Change]:
    """Every change that a deploy of Redis makes."""
    return [change for step in PARTS["redis"](site) for change in converge(step).changes]


def said(changes: list[Change]) -> list[str]:
    return [change.what for change in changes]


def changed(site: Site, *, password: str | None = None, kind: str = "", **values: Any) -> Site:
    """The same sandbox with other settings of [redis]."""
    redis = site.environment.redis.model_copy(update=values)
    platform = site.environment.platform.model_copy(update={"kind": kind} if kind else {})
    environment = site.environment.model_copy(update={"redis": redis, "platform": platform})
    secrets = {"redis_password": SecretStr(password)} if password is not None else {}
    return Site(environment, site.release, {**site.secrets, **secrets})


def pid(site: Site) -> int:
    found = daemon(site).running()
    assert found is not None
    return found.pid


def tell(server: RedisServer, *words: str) -> Any:
    with server.client() as client:
        return client.execute_command(*words)


@pytest.fixture(scope="module")
def site(module_sandbox_site: MakeSite) -> Site:
    """A sandbox whose Redis was deployed once, with a nasty password."""
    made = module_sandbox_site(secrets={"redis_password": NASTY})
    deploy(made)
    return made


def test_a_second_deploy_changes_and_touches_nothing(site: Site) -> None:
    conf = folder(site) / "redis.conf"
    before = pid(site), conf.stat().st_mtime_ns, conf.stat().st_ino
    assert deploy(site) == []
    assert (pid(site), conf.stat().st_mtime_ns, conf.stat().st_ino) == before


def test_it_forgets_nothing_and_keeps_to_its_memory(site: Site) -> None:
    with dify_redis(site).client() as client:
        settings = client.config_get("maxmemory*", "append*")
    assert settings["maxmemory"] == str(256 * 1024 * 1024)
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["appendonly"] == "yes"


def test_cache_and_queues_are_two_databases(site: Site) -> None:
    tell(dify_redis(site, broker=True), "LPUSH", "queue", "job")
    tell(dify_redis(site), "FLUSHDB")
    assert tell(dify_redis(site, broker=True), "LLEN", "queue") == 1


@pytest.mark.parametrize("password", ["", "wrong", "default", NASTY + " "])
def test_a_wrong_password_is_refused_at_once(site: Site, password: str) -> None:
    server = dify_redis(changed(site, password=password))
    began = time.monotonic()
    with pytest.raises(RedisRefused) as caught, server.client(within_s=30):
        pass
    assert time.monotonic() - began < 5
    assert str(caught.value).startswith(f"Redis refuses 127.0.0.1:{server.port}/0: ")
    assert NASTY not in str(caught.value)


def test_a_server_that_is_not_there_is_asked_until_the_deadline() -> None:
    began = time.monotonic()
    server = RedisServer("127.0.0.1", 1, SecretStr("x"))
    with pytest.raises(RedisUnreachable, match=r"127\.0\.0\.1:1/0"), server.client(within_s=0.5):
        pass
    assert 0.5 <= time.monotonic() - began < 5


@pytest.mark.parametrize("password", ["simple", "with space", '"', "\\", "'", "#", "ü 漢", NASTY])
def test_a_new_password_is_told_without_a_restart(site: Site, password: str) -> None:
    before, old = pid(site), changed(site, password="the one before")
    deploy(old)
    new = changed(site, password=password)
    changes = deploy(new)
    assert said(changes) == ["set requirepass of Redis", "write redis.conf"]
    assert {text for c in changes for text in (c.before, c.after)} == {"requirepass ***"}
    assert pid(site) == before
    assert deploy(new) == []
    with pytest.raises(RedisRefused):
        tell(dify_redis(old), "PING")


def test_any_password_still_holds_after_a_restart(site: Site) -> None:
    deploy(site)
    stop(site)
    assert said(deploy(site)) == ["start Redis"]
    assert tell(dify_redis(site), "PING") is True


def test_a_run_killed_between_telling_and_writing_is_finished(site: Site) -> None:
    new = changed(site, password="half way")
    server = Server(new)
    server.apply(server.plan(server.observe())[0])
    assert said(deploy(new)) == ["write redis.conf"]
    deploy(site)


def test_a_password_nobody_knows_any_more_is_replaced_by_a_restart(site: Site) -> None:
    tell(dify_redis(site), "SET", "kept", "1")
    tell(dify_redis(site), "CONFIG", "SET", "requirepass", "forgotten")
    assert said(deploy(site)) == ["stop Redis", "start Redis"]
    assert tell(dify_redis(site), "GET", "kept") == "1"


def test_what_somebody_changed_in_the_running_server_is_put_right(site: Site) -> None:
    before = pid(site)
    tell(dify_redis(site), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    changes = deploy(site)
    assert [(c.what, c.before, c.after) for c in changes] == [
        (
            "set maxmemory-policy of Redis",
            "maxmemory-policy allkeys-lru",
            "maxmemory-policy noeviction",
        )
    ]
    assert pid(site) == before


def test_more_memory_takes_no_restart_and_another_address_does(site: Site) -> None:
    before = pid(site)
    assert said(deploy(changed(site, max_memory_mb=64))) == [
        "set maxmemory of Redis",
        "write redis.conf",
    ]
    assert pid(site) == before
    moved = changed(site, host="127.0.0.6")
    assert "stop Redis" in said(deploy(moved))
    assert tell(dify_redis(moved), "PING") is True
    deploy(site)
    with pytest.raises(RedisUnreachable):
        tell(dify_redis(moved), "PING")


def test_a_missing_address_stops_nothing(site: Site) -> None:
    before = pid(site)
    with pytest.raises(StepError, match=r"this machine has no address 172\.31\.255\.1"):
        deploy(changed(site, host="172.31.255.1"))
    assert pid(site) == before


def test_after_a_kill_data_is_there_and_a_deploy_starts_it(site: Site) -> None:
    tell(dify_redis(site), "SET", "survives", "yes")
    time.sleep(1.2)  # appendfsync everysec
    os.kill(pid(site), signal.SIGKILL)
    assert said(deploy(site)) == ["start Redis"]
    assert tell(dify_redis(site), "GET", "survives") == "yes"


def test_a_clean_stop_loses_nothing_and_may_be_repeated(site: Site) -> None:
    tell(dify_redis(site), "SET", "last", "word")
    stop(site)
    stop(site)
    assert daemon(site).running() is None
    deploy(site)
    assert tell(dify_redis(site), "GET", "last") == "word"


def test_a_pid_file_of_a_stranger_fools_nobody(site: Site) -> None:
    stop(site)
    (folder(site) / "redis.pid").write_text(f"{os.getpid()}\n")
    assert daemon(site).running() is None
    assert said(deploy(site)) == ["start Redis"]


def test_the_password_is_only_in_its_own_closed_file(site: Site) -> None:
    deploy(changed(site, password="canary-4711"))
    assert not [found for found in processes() if "canary-4711" in found.title]
    files = [path for path in folder(site).rglob("*") if path.is_file()]
    assert [path.name for path in files if b"canary-4711" in path.read_bytes()] == ["redis.conf"]
    assert (folder(site) / "redis.conf").stat().st_mode & 0o777 == 0o600
    assert folder(site).stat().st_mode & 0o777 == 0o700
    assert Path(f"/proc/{pid(site)}").stat().st_uid == folder(site).stat().st_uid != 0
    deploy(site)


def test_a_taken_port_is_named_with_its_holder(sandbox_site: MakeSite) -> None:
    site = sandbox_site("taken")
    port, once = site.environment.redis.port, rf"is taken by [^,]+ \(pid {os.getpid()}\)\n"
    with socket.socket() as holder, socket.socket() as another:
        for listens, address in ((holder, "127.0.0.1"), (another, "127.0.0.2")):
            listens.bind((address, port))
            listens.listen()
        with pytest.raises(StepError, match=rf"port {port} on 127\.0\.0\.1 {once}"):
            deploy(site)
    assert said(deploy(site)) == ["start Redis"]


def test_a_bare_machine_is_planned_and_left_bare(sandbox_site: MakeSite) -> None:
    site = sandbox_site("bare")
    plan = [converge(step, dry_run=True).changes for step in PARTS["redis"](site)]
    assert [change.what for changes in plan for change in changes] == [
        "write redis.conf",
        "start Redis",
    ]
    assert not folder(site).exists()


def test_two_sandboxes_run_side_by_side(site: Site, sandbox_site: MakeSite) -> None:
    second = sandbox_site("second")
    deploy(second)
    assert deploy(site) == deploy(second) == []
    tell(dify_redis(second), "SET", "here", "only")
    assert tell(dify_redis(site), "GET", "here") is None
    stop(second)
    assert tell(dify_redis(site), "PING") is True


def test_a_given_server_is_checked_and_not_changed(site: Site) -> None:
    given = changed(site, kind="external")
    assert deploy(given) == []
    tell(dify_redis(site), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(StepError) as caught:
        deploy(given)
    assert str(caught.value) == (
        "redis: maxmemory-policy is allkeys-lru: Redis would drop queued jobs\n"
        "  do: as administrator: CONFIG SET maxmemory-policy noeviction"
    )
    deploy(site)
    with pytest.raises(StepError, match="Redis refuses"):
        deploy(changed(given, password="wrong"))


def external(site: Site, **redis: Any) -> Site:
    return changed(site, kind="external", **redis)


@pytest.fixture
def odd_redis(site: Site, tmp_path: Path) -> Generator[Callable[..., Site]]:
    """A Redis beside the sandbox's, started with other settings."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(*settings: str) -> Site:
        [port] = free_ports(1)
        words = [str(daemon(site).program), "--port", str(port), "--dir", str(tmp_path)]
        servers.append(
            subprocess.Popen([*words, "--save", "", *settings], stdout=subprocess.DEVNULL)
        )
        return external(site, host="127.0.0.1", port=port)

    yield start
    for server in servers:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    ("settings", "said", "advice"),
    [
        (["--databases", "1"], "DB index is out of range", "redis.broker_database"),
        (["--cluster-enabled", "yes"], "cluster mode", "no cluster"),
        (["--rename-command", "INFO", ""], "unknown command", "give it back to Dify"),
    ],
)
def test_a_redis_that_is_not_for_dify_is_a_sentence(
    odd_redis: Callable[..., Site], settings: list[str], said: str, advice: str
) -> None:
    made = odd_redis("--requirepass", "known", *settings)
    given = changed(made, password="known", kind="external")
    with pytest.raises(StepError) as refused:
        deploy(given)
    assert said in refused.value.cause and advice in refused.value.advice


def test_http_on_the_port_of_redis_is_a_sentence(site: Site) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(StepError, match=r"Redis at .*: ") as refused:
            deploy(external(site, host="127.0.0.1", port=server.server_port))
        assert "mend redis.host and redis.port" in refused.value.advice
    finally:
        server.shutdown()
