"""A PostgreSQL server as one role reaches it."""

import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from tempfile import NamedTemporaryFile
from typing import Any

import psycopg
from pydantic import SecretStr

from clients.node import LocalNode, Node
from clients.running import require_not_cancelled, waited_for
from clients.waiting import despite
from config.errors import NotKnown, Unfit, Unreachable

CONNECT_TIMEOUT_S = 5
# A server whose machine is gone says nothing: that is found out in place of hours.
GONE: dict[str, Any] = {
    "tcp_user_timeout": 60_000,
    "keepalives_idle": 15,
    "keepalives_interval": 15,
    "keepalives_count": 3,
}
_REFUSALS = (
    "password authentication failed",
    "no pg_hba.conf entry",
    "pg_hba.conf rejects",
    "does not exist",
    "is not permitted to log in",
    "permission denied",
    "no password supplied",
    "authentication failed",
)

# After the password: its role, its database, or the server has as many as it may have.
_FULL = ("too many connections", "too many clients", "connection slots are reserved")
# What Dify starts each of its sessions with.
DIFY_OPTIONS = "-c timezone=UTC"
# libpq gives no other sign of these.
_OPTIONS_REFUSED = "unsupported startup parameter"
_LET_OPTIONS = (
    "let that pgbouncer take what Dify starts a session with: ignore_startup_parameters = options "
    "in its configuration, or name PostgreSQL's own port"
)
_UNTRUSTED = {
    "certificate verify failed": "name in postgres.ca the PEM file of the authority that signed "
    "the server's certificate",
    "does not match host name": "name the server in postgres.host as its certificate does, or have "
    'one made for that name; postgres.sslmode = "verify-ca" does not look at the name',
}
_STANDBY = (
    "nothing can be written there: name the primary in postgres.host and postgres.port, or "
    "an address that follows it"
)

_SESSIONS = (
    "migrations, dumps and the plugin daemon's prepared statements need a session: name "
    "PostgreSQL's own port in postgres.port, or have the pooler serve Dify's databases with "
    "pool_mode = session"
)

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresUnreachable(Unreachable):
    """Nobody answered, or not yet: asking again may help."""


class PostgresRefused(NotKnown):
    """The server answered and does not let this role in: asking again changes nothing."""


class PostgresUnfit(PostgresRefused, Unfit):
    """The server let us in and cannot be Dify's."""


class DatabaseMissing(PostgresRefused):
    """The role's password was accepted, the database is not there."""


@dataclass(frozen=True, slots=True)
class View:
    """A database as it was at one moment; other sessions may share the exported `snapshot`."""

    connection: Connection
    snapshot: str

    def release(self) -> None:
        """Nobody looks any more: the server need not keep what that moment saw."""
        self.connection.close()


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where and as whom to connect, as `node` reaches it.

    `host` is an address, or the directory of a unix socket. `sslmode`: as libpq has it; `ca`: whom
    alone it trusts then (PEM). `options`: what a session starts with.
    """

    host: str
    port: int
    user: str
    password: SecretStr
    database: str
    node: Node = field(default_factory=LocalNode)
    sslmode: str = "prefer"
    ca: str = ""
    options: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    @contextmanager
    def connect(
        self, within_s: float = 0, alive: Callable[[], bool] = lambda: True
    ) -> Generator[Connection]:
        """A connection in autocommit mode, closed at the end.

        `within_s`: seconds during which a server that does not answer is asked again, as long
        as it is `alive`.

        Raises:
            PostgresUnreachable: no answer until then, or lost later while in use.
            PostgresRefused: wrong password, no such database, not allowed from here.
        """
        connection = despite(
            lambda error: isinstance(error, PostgresUnreachable) and alive(),
            self._open,
            within_s=within_s,
            every_s=0.1,
        )
        try:
            with waited_for(partial(_break_off, connection)):
                yield connection
        except psycopg.OperationalError as error:
            require_not_cancelled()
            if not connection.broken:
                raise
            where = f"PostgreSQL at {self.host}:{self.port}"
            raise PostgresUnreachable(f"{where} broke off: {_first_line(error)}") from None
        finally:
            connection.close()

    @contextmanager
    def frozen(self) -> Generator[View]:
        """The database as it is now, for as long as it takes. Raises as `connect`."""
        with self.connect() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # However long a dump takes, the server may not end the session that only waits.
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            (snapshot,) = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
            yield View(connection, str(snapshot))

    def check(self, *, sessions: bool = True) -> str:
        """Log in as Dify does; what answered. `sessions`: that each connection is one is asked too.

        Raises:
            PostgresUnfit: it is a standby, that only follows another server, or a pooler that
                gives each transaction another session.
            PostgresUnreachable, PostgresRefused: as `connect`.
        """
        with replace(self, options=DIFY_OPTIONS).connect() as connection:
            version = connection.info.parameter_status("server_version")
            (follows,) = connection.execute("SELECT pg_is_in_recovery()").fetchone() or (False,)
        if follows:
            raise PostgresUnfit(f"PostgreSQL at {self.host}:{self.port} is a standby", _STANDBY)
        if sessions and not self._is_direct():
            where = f"PostgreSQL at {self.host}:{self.port}"
            said = f"{where} is behind a pooler that gives each transaction another session"
            raise PostgresUnfit(said, _SESSIONS)
        return f"PostgreSQL {version} lets {self.user} into {self.database}"

    def _is_direct(self) -> bool:
        """Whether two connections at once are two sessions of the server."""
        question = "SELECT pg_backend_pid()"
        with self.connect() as first, self.connect() as second:
            return first.execute(question).fetchone() != second.execute(question).fetchone()

    def _open(self) -> Connection:
        try:
            with _file(self.ca) as authority:
                return psycopg.connect(
                    **self._where(),
                    user=self.user,
                    password=self.password.get_secret_value() or None,
                    dbname=self.database,
                    sslmode=self.sslmode,
                    sslrootcert=authority,
                    options=self.options or None,
                    # One of SQL_ASCII would answer in bytes.
                    client_encoding="UTF8",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    application_name="dify-rollout",
                    autocommit=True,
                    # A pgbouncer may give each transaction another session, which knows of none.
                    prepare_threshold=None,
                    **GONE,
                )
        except psycopg.OperationalError as error:
            raise self._translated(error) from None

    def _where(self) -> dict[str, Any]:
        """A certificate is for the server's name, wherever a node's connection is reached."""
        host, port = self.node.reach(self.host, self.port)
        if host == self.host or not self.ca:
            return {"host": host, "port": port}
        return {"host": self.host, "hostaddr": host, "port": port}

    def _translated(self, error: psycopg.OperationalError) -> NotKnown:
        lines = [line for line in str(error).splitlines() if "failed:" in line]
        reason = (lines or str(error).splitlines())[-1].rpartition("failed:")[2].strip()
        reason = reason.removeprefix("FATAL:").strip()
        for words, advice in _UNTRUSTED.items():
            if doubt := next((line for line in str(error).splitlines() if words in line), ""):
                why = doubt.rpartition("failed:")[2].strip()
                said = f"PostgreSQL at {self.host}:{self.port} does not prove who it is: {why}"
                return PostgresUnfit(said, advice)
        if _OPTIONS_REFUSED in reason:
            said = f"PostgreSQL at {self.host}:{self.port} is behind a pooler: {reason}"
            return PostgresUnfit(said, _LET_OPTIONS)
        if any(words in reason for words in _FULL):
            where = f"PostgreSQL at {self.host}:{self.port}"
            return PostgresUnreachable(f"{where} takes no more connections: {reason}")
        # libpq keeps no SQLSTATE of a failed login. Whether a password was asked for says,
        # in any language of the server's messages, that it got as far as checking it.
        asked = bool(error.pgconn and error.pgconn.used_password)
        if asked or any(words in reason for words in _REFUSALS):
            missing = "database" in reason and "does not exist" in reason
            kind = DatabaseMissing if missing else PostgresRefused
            return kind(f"PostgreSQL refuses {self}: {reason}")
        return PostgresUnreachable(
            f"PostgreSQL at {self.host}:{self.port} does not answer: {reason}"
        )


@contextmanager
def _file(text: str) -> Generator[str | None]:
    """The path of a file with this text, for as long as it takes; None without one."""
    if not text:
        yield None
        return
    with NamedTemporaryFile("w", suffix=".crt") as file:
        file.write(text)
        file.flush()
        yield file.name


def _break_off(connection: Connection) -> None:
    """Whoever waits for an answer gets an error: a server that hangs would never give one."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
