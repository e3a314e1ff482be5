"""A Redis that somebody else has set up: what is wrong with it is a sentence, always the same."""

import socket
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clients.redis import RedisServer, RedisUnfit
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.probes.connections.databases import redis as connections
from tasks.probes.engine import ask_all
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS
from tests.ports import free_ports

PASSWORD = "known"
Start = Callable[..., Site]


def deploy(site: Site) -> None:
    for step in PARTS["redis"](site):
        assert not converge(step).changes


def given(site: Site, **redis: Any) -> Site:
    """The same site with a Redis of somebody else's."""
    environment = site.environment
    platform = environment.platform.model_copy(update={"kind": "external"})
    changed = {"redis": environment.redis.model_copy(update=redis), "platform": platform}
    secrets = {**site.secrets, "redis_password": SecretStr(PASSWORD)}
    return Site(environment.model_copy(update=changed), site.release, secrets)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def start(module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Start]:
    """Starts a server with these settings; a site that is given it."""
    servers: list[subprocess.Popen[bytes]] = []
    site, folder = module_sandbox_site(), tmp_path_factory.mktemp("redis")

    def started(*settings: str, tls: bool = False, **redis: Any) -> Site:
        [port] = free_ports(1)
        where = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
        words = ["redis-server", *where, "--dir", str(folder), "--save", "", *settings]
        servers.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
        while not answers(port):
            assert servers[-1].poll() is None, "redis-server has ended"
            time.sleep(0.02)
        return given(site, **{"host": "127.0.0.1", "port": port, **redis})

    yield started
    for server in servers:
        server.kill()
        server.wait()


def refused(site: Site) -> tuple[str, str]:
    """Cause and advice of a plan's refusal, the same that `rollout check` has."""
    with pytest.raises(StepError) as error:
        deploy(site)
    found = {finding.said: finding.advice for finding in ask_all(connections(site), patience=1)}
    return error.value.cause, found[error.value.cause]


def test_an_acl_user_beside_a_default_user_that_is_off(start: Start) -> None:
    site = start("--user", "dify", "on", f">{PASSWORD}", "~*", "&*", "+@all", "-@admin",
                 "--user", "default", "off", user="dify")  # fmt: skip
    deploy(site)
    with dify_redis(site, broker=True).client() as client:
        assert client.lpush("queue", "job") == 1
    cause = refused(given(site, user=""))[0]
    assert cause.startswith("Redis refuses")


def test_a_user_who_may_not_ask_is_told_what_to_allow(start: Start) -> None:
    site = start("--user", "dify", "on", f">{PASSWORD}", "~*", "&*", "+@all", "-@dangerous",
                 user="dify")  # fmt: skip
    cause, advice = refused(site)
    assert "no permissions to run the 'info' command" in cause
    assert "ACL SETUSER" in advice


def test_no_password_at_all_is_found_before_celery_finds_it(start: Start) -> None:
    cause, advice = refused(start())
    assert "without any password configured" in cause
    assert "requirepass" in advice


def test_a_server_in_protected_mode_is_told_from_elsewhere(start: Start) -> None:
    here = socket.gethostbyname(socket.gethostname())
    if here.startswith("127."):
        here = "172.17.0.1"
    cause, advice = refused(start("--bind", "0.0.0.0", host=here))  # noqa: S104
    assert "protected mode" in cause
    assert "requirepass" in advice


def test_a_replica_is_refused_and_its_primary_named(start: Start) -> None:
    primary = start("--requirepass", PASSWORD).environment.redis
    replica = start("--requirepass", PASSWORD, "--masterauth", PASSWORD,
                    "--replicaof", primary.host, str(primary.port))  # fmt: skip
    cause, advice = refused(replica)
    assert cause.endswith(f"is a replica of 127.0.0.1:{primary.port}")
    assert "name the primary in redis.host" in advice


def test_tls_is_named_as_what_it_is(start: Start, tmp_path: Path) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=redis", "-keyout", "key.pem", "-out", "cert.pem"]  # fmt: skip
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    files = {"cert": "cert.pem", "key": "key.pem", "ca-cert": "cert.pem"}
    settings = [w for name, file in files.items() for w in (f"--tls-{name}-file", tmp_path / file)]
    site = start("--requirepass", PASSWORD, *map(str, settings), tls=True)
    with pytest.raises(RedisUnfit, match=r"speaks TLS$") as error:
        dify_redis(site).check()
    assert "without TLS" in error.value.advice


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["--databases", "1"], "DB index is out of range"),
        (["--cluster-enabled", "yes"], "cluster mode"),
        (["--rename-command", "INFO", ""], "unknown command"),
    ],
)
def test_check_says_what_a_plan_says(start: Start, settings: list[str], said: str) -> None:
    assert said in refused(start("--requirepass", PASSWORD, *settings))[0]


def test_one_that_waits_for_its_replicas_takes_no_job(start: Start) -> None:
    cause, advice = refused(start("--requirepass", PASSWORD, "--min-replicas-to-write", "1"))
    assert "Not enough good replicas to write" in cause
    assert "min-replicas-to-write 0" in advice


def test_a_full_one_takes_no_job_and_is_not_asked_to_keep_one(start: Start) -> None:
    site = start("--requirepass", PASSWORD)
    deploy(site)
    with dify_redis(site).client() as client:
        assert client.keys() == []
        client.config_set("maxmemory", 1)
    cause, advice = refused(site)
    assert "used memory" in cause
    assert "raise its maxmemory" in advice


def test_one_that_cannot_save_takes_no_job(start: Start, tmp_path: Path) -> None:
    site = start("--requirepass", PASSWORD, "--dir", str(tmp_path), "--save", "900 1")
    with dify_redis(site).client() as client:
        client.set("key", "value")  # it has read what was there
        (tmp_path / "dump.rdb").mkdir()
        client.bgsave()
        while client.info()["rdb_bgsave_in_progress"]:
            time.sleep(0.02)
    cause, advice = refused(site)
    assert "currently unable to persist to disk" in cause or "not able to persist on disk" in cause
    assert "no space" in advice


def test_without_config_it_is_fit(start: Start) -> None:
    site = start("--requirepass", PASSWORD, "--rename-command", "CONFIG", "")
    deploy(site)


def test_the_user_is_no_part_of_what_is_shown() -> None:
    server = RedisServer("10.0.0.1", 6379, SecretStr(PASSWORD), user="dify")
    assert PASSWORD not in repr(server)
