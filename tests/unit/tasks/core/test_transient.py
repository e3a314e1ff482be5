"""What passes by itself and what a person has to mend: docs/reliability.md line by line."""

import errno
import socket

import docker.errors
import httpx
import psycopg
import pytest
import redis
import requests
from redis.exceptions import AuthenticationError, BusyLoadingError, MasterDownError, ReadOnlyError

from clients.command import Command, CommandFailed
from clients.docker_engine import DockerUnusable
from clients.node import ConnectionLost, LockLost, NodeRefused, NodeUnreachable
from clients.postgres import DatabaseMissing, PostgresRefused, PostgresUnreachable
from clients.redis import RedisRefused, RedisUnfit, RedisUnreachable
from clients.registry import RegistryRefused, RegistryUnreachable
from clients.running import Cancelled
from clients.s3 import StoreRefused, StoreUnreachable
from config.errors import ConfigError, RolloutError, StepError
from config.load import ROOT
from tasks.core.step import NotConverged
from tasks.core.transient import DECIDED_NUMBERS, NUMBERS, SQLSTATES, retry_after_s, transient


def http(status: int, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://registry.test/v2/")
    answer = httpx.Response(status, request=request, headers=headers)
    return httpx.HTTPStatusError("", request=request, response=answer)


def engine(status: int) -> docker.errors.APIError:
    answer = requests.Response()
    answer.status_code = status
    return docker.errors.APIError("", response=answer)


def state(sqlstate: str) -> psycopg.Error:
    return psycopg.errors.lookup(sqlstate)("")


def ended(program: str, status: int) -> CommandFailed:
    return CommandFailed(Command((program, "x")), f"exit status {status}", status=status)


PASSES = [
    *(OSError(number, "") for number in sorted(NUMBERS)),
    TimeoutError(),
    ConnectionResetError(errno.ECONNRESET, ""),
    socket.gaierror(socket.EAI_AGAIN, ""),
    *(state(number) for number in (*sorted(SQLSTATES), "08006", "08001")),
    psycopg.OperationalError("no SQLSTATE"),
    PostgresUnreachable(""),
    BusyLoadingError(),
    MasterDownError("MASTERDOWN"),
    ReadOnlyError(),
    redis.ConnectionError(),
    redis.TimeoutError(),
    RedisUnreachable(""),
    *(http(status) for status in (429, 502, 503, 504)),
    httpx.ConnectError(""),
    httpx.ReadTimeout(""),
    *(engine(status) for status in (500, 503)),
    requests.ConnectionError(),
    requests.Timeout(),
    DockerUnusable(""),
    NodeUnreachable(""),
    ConnectionLost(""),
    ended("ssh", 255),
    ended("/usr/bin/ansible-playbook", 4),
    ended("rclone", 5),
    RegistryUnreachable(""),
    StoreUnreachable(""),
    StepError("pgsql", "Ansible does not reach it", passes=True),
]
STAYS = [
    *(OSError(number, "") for number in sorted(DECIDED_NUMBERS)),
    FileNotFoundError(errno.ENOENT, ""),
    socket.gaierror(socket.EAI_NONAME, ""),
    *(state(number) for number in ("28P01", "28000", "42501", "3D000", "53100", "22023", "42601")),
    PostgresRefused(""),
    DatabaseMissing(""),
    AuthenticationError(),
    redis.ResponseError(),
    RedisRefused(""),
    RedisUnfit("", "advice"),
    *(http(status) for status in (400, 401, 403, 404, 500)),
    *(engine(status) for status in (403, 404, 409)),
    LockLost(""),
    NodeRefused(""),
    ended("ssh", 1),
    ended("ansible-playbook", 2),
    ended("rclone", 1),
    ended("apt-get", 100),
    RegistryRefused(""),
    StoreRefused(""),
    StepError("pgsql", "a person has to mend it"),
    NotConverged("pgsql", "still to do"),
    ConfigError(["bad value"]),
    RolloutError("refused"),
    Cancelled(),
    ValueError("a mistake in the code"),
]


def named(error: BaseException) -> str:
    number = getattr(error, "errno", None) or getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {number or ''}".strip()


@pytest.mark.parametrize("error", PASSES, ids=named)
def test_it_passes(error: BaseException) -> None:
    assert transient(error)


@pytest.mark.parametrize("error", STAYS, ids=named)
def test_it_stays(error: BaseException) -> None:
    assert not transient(error)


def raised(*errors: BaseException) -> BaseException:
    """The last one, raised while the others were handled, as steps do it: from None."""
    try:
        if errors[:-1]:
            raise raised(*errors[:-1])
    except BaseException:  # noqa: BLE001
        try:
            raise errors[-1] from None
        except BaseException as error:  # noqa: BLE001
            return error
    return errors[-1]


def test_an_error_for_people_is_what_it_was_made_of() -> None:
    told = StepError("redis", "Redis at 10.0.0.2:6379 does not answer")
    assert transient(raised(redis.ConnectionError(), RedisUnreachable(""), told))
    refused = StepError("redis", "Redis refuses 10.0.0.2:6379")
    assert not transient(raised(redis.ConnectionError(), RedisRefused(""), refused))


def test_a_password_that_was_refused_is_never_tried_again_whatever_it_is_wrapped_in() -> None:
    for refusal in (PostgresRefused(""), RedisRefused(""), RegistryRefused("")):
        assert not transient(raised(TimeoutError(), refusal, StepError("a", "b", passes=True)))


def test_the_wait_that_a_server_asks_for_is_known() -> None:
    assert retry_after_s(raised(http(429, **{"Retry-After": "17"}), StepError("a", "b"))) == 17
    assert retry_after_s(http(429)) == retry_after_s(http(503, **{"Retry-After": "soon"})) == 0


def test_the_documentation_has_every_sqlstate_and_status() -> None:
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    for word in (*SQLSTATES, "08", "429", "502", "503", "504", "255", "Retry-After"):
        assert word in text
