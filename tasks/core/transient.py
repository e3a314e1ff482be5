"""Whether trouble passes by itself: the one place that tells, by what kind of error it is.

An error is asked for its type, SQLSTATE, errno, HTTP status or exit status, never for its sentence.
A step's error is what the errors are that it was made of. docs/reliability.md has the table.
"""

import errno
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import docker.errors
import httpx
import psycopg
import redis
import requests
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    ReadOnlyError,
)

from clients.command import CommandFailed
from clients.running import Cancelled
from config.errors import NotKnown, Passing, Refusal, StepError

NUMBERS = {
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
}
DECIDED_NUMBERS = {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS}
# Starting up, shut down by an administrator or a crash, no connection free, read-only.
SQLSTATES = {"57P03", "57P01", "57P02", "53300", "25006"}
CONNECTION_EXCEPTION = "08"
STATUSES = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
# What a program ends with when it did not reach where it should.
EXITS = {"ssh": 255, "scp": 255, "sftp": 255, "ansible-playbook": 4, "rclone": 5}


def transient(error: BaseException) -> bool:
    """Whether trying again may help; not if one of the errors it was made of is a refusal."""
    links = list(_chain(error))
    return not any(map(_decided, links)) and any(map(_passes, links))


def retry_after_s(error: BaseException) -> float:
    """The seconds a server asked us to wait, 0 if none did."""
    for link in _chain(error):
        if isinstance(link, httpx.HTTPStatusError):
            asked = link.response.headers.get("Retry-After", "")
            return float(asked) if asked.isdigit() else 0.0
    return 0.0


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those it was raised for; `from None` hides them from people only."""
    link: BaseException | None = error
    while link:
        yield link
        link = link.__cause__ or link.__context__


def _decided(error: BaseException) -> bool:
    """Whether a person has to do something first."""
    if isinstance(error, Cancelled | Refusal | AuthenticationError):
        return True
    if isinstance(error, OSError) and error.errno in DECIDED_NUMBERS:
        return True
    if isinstance(error, docker.errors.APIError):
        return not error.is_server_error()
    return isinstance(error, NotKnown) and not isinstance(error, Passing)


def _passes(error: BaseException) -> bool:
    return next((passes(error) for kind, passes in _KINDS if isinstance(error, kind)), False)


def _always(_: Any) -> bool:
    return True


def _sqlstate_passes(error: psycopg.Error) -> bool:
    """libpq has no SQLSTATE for a connection that broke off or never came."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate in SQLSTATES or error.sqlstate.startswith(CONNECTION_EXCEPTION)


def _exit_passes(error: CommandFailed) -> bool:
    program = str(error.command.words[0]).rpartition("/")[2]
    return error.status is not None and error.status == EXITS.get(program)


# The first kind that an error is of tells whether it passes; more special kinds come first.
_KINDS: tuple[tuple[type[Any], Callable[[Any], bool]], ...] = (
    (StepError, lambda error: error.passes),
    (Passing, _always),
    (CommandFailed, _exit_passes),
    (psycopg.Error, _sqlstate_passes),
    (BusyLoadingError, _always),
    (MasterDownError, _always),
    (ReadOnlyError, _always),
    (redis.ConnectionError, _always),
    (redis.TimeoutError, _always),
    (httpx.HTTPStatusError, lambda error: error.response.status_code in STATUSES),
    (httpx.TransportError, _always),
    (docker.errors.APIError, lambda error: error.is_server_error()),
    (requests.ConnectionError, _always),
    (requests.Timeout, _always),
    (requests.RequestException, lambda _: False),
    (socket.gaierror, lambda error: error.errno == socket.EAI_AGAIN),
    (TimeoutError, _always),
    (OSError, lambda error: error.errno in NUMBERS),
)
