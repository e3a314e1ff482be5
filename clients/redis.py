"""A Redis server as its clients reach it."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004
    RedisError,
    TimeoutError,  # noqa: A004
)
from redis.retry import Retry

from clients.node import LocalNode, Node
from clients.redis_advice import PLAIN, PRIMARY, UNFIT
from clients.trust import greets_with_tls
from clients.waiting import despite
from config.errors import NotKnown, Unfit, Unreachable

TIMEOUT_S = 5.0


class RedisUnreachable(Unreachable):
    """Nobody answered, or not yet: asking again may help."""


class RedisRefused(NotKnown):
    """The server answered and does not accept the password: asking again changes nothing."""


class RedisUnfit(RedisRefused, Unfit):
    """The server answered and cannot be Dify's."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where to connect, as `node` reaches it, and as whom; without `user` as the default one."""

    host: str
    port: int
    password: SecretStr
    database: int = 0
    node: Node = field(default_factory=LocalNode)
    user: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"

    @contextmanager
    def client(
        self, within_s: float = 0, alive: Callable[[], bool] = lambda: True
    ) -> Generator["redis.Redis"]:
        """A client that has been let in, answering in text; closed at the end.

        `within_s`: seconds during which a server that does not answer is asked again, as long
        as it is `alive`.

        Raises:
            RedisUnreachable: no answer until then, or later while in use.
            RedisRefused: wrong password, or the server cannot be Dify's.
        """
        client = self._client()
        try:
            despite(
                lambda error: _no_answer(error) and alive(),
                partial(_ping, client),
                within_s=within_s,
                every_s=0.1,
            )
            yield client
        except RedisError as error:
            raise self._translated(error) from None
        finally:
            client.close()

    def _translated(self, error: RedisError) -> NotKnown:
        """A sentence; asking whether TLS is spoken there is left to the end, it takes time."""
        said = str(error).partition(". ")[0].rstrip()
        advice = next((way for words, way in UNFIT.items() if words in said.casefold()), "")
        if isinstance(error, AuthenticationError) and not advice:
            return RedisRefused(f"Redis refuses {self}: {said}")
        if "DB index" in said and self._is_cluster():
            said, advice = f"{said} (it is in cluster mode)", UNFIT["cluster mode"]
        if _is_cut_off(error) and greets_with_tls(*self.node.reach(self.host, self.port)):
            return RedisUnfit(f"Redis at {self} speaks TLS", PLAIN)
        if isinstance(error, (ConnectionError, TimeoutError)) and not advice:
            return RedisUnreachable(f"Redis at {self} does not answer: {said}")
        return RedisUnfit(
            f"Redis at {self} does not do what it is asked: {said}",
            advice or "look at the log of that server",
        )

    def _is_cluster(self) -> bool:
        """Whether it says so: a Valkey that is one has databases, by default one alone."""
        with replace(self, database=0).client() as client:
            return bool(client.info("cluster").get("cluster_enabled"))  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]

    def facts(self, within_s: float = 0) -> dict[str, Any]:
        """What it says of itself (INFO).

        Raises:
            RedisUnfit: it follows another server, so that nothing can be written, or is a cluster.
            RedisUnreachable, RedisRefused: as `client`.
        """
        with self.client(within_s) as client:
            found: dict[str, Any] = client.info()  # pyright: ignore[reportUnknownMemberType, reportAssignmentType]
        if follows(found):
            primary = f"{found.get('master_host')}:{found.get('master_port')}"
            raise RedisUnfit(f"Redis at {self} is a replica of {primary}", PRIMARY)
        if found.get("cluster_enabled"):
            raise RedisUnfit(f"Redis at {self} is in cluster mode", UNFIT["cluster mode"])
        return found

    def require_writes(self) -> None:
        """It takes a job, as far as can be seen without giving it one.

        Raises:
            RedisUnfit: it answers, and refuses every write.
            RedisUnreachable, RedisRefused: as `client`.
        """
        with self.client() as client:
            # Refused like any write, and without an effect on a list that is not there.
            client.lpushx("dify-rollout-asked", "")  # pyright: ignore[reportUnknownMemberType]

    def check(self) -> str:
        """Log in; what answered. Raises as `facts` and `require_writes`."""
        self.facts()
        self.require_writes()
        return f"Redis lets us into its database {self.database}"

    def _client(self) -> "redis.Redis":
        host, port = self.node.reach(self.host, self.port)
        options: dict[str, Any] = {
            "host": host,
            "port": port,
            "username": self.user or None,
            "password": self.password.get_secret_value() or None,
            "db": self.database,
            # As Celery logs in: HELLO of the third would take a password where none is set.
            "protocol": 2,
            "socket_timeout": TIMEOUT_S,
            "socket_connect_timeout": TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": True,
        }
        return redis.Redis(**options)


def follows(facts: Mapping[str, Any]) -> bool:
    """Whether a server with this INFO only repeats another one; KeyDB has `active-replica` too."""
    return facts.get("role") == "slave"


def _is_cut_off(error: RedisError) -> bool:
    """Whether the answer was no word of Redis: the end of the connection, or other bytes."""
    return any(words in str(error) for words in ("closed by server", "reset by peer", "Protocol"))


def _ping(client: "redis.Redis") -> None:
    client.execute_command("PING")  # pyright: ignore[reportUnknownMemberType]


def _no_answer(error: BaseException) -> bool:
    """Whether asking again may help: a wrong password is a ConnectionError too."""
    return isinstance(error, (ConnectionError, TimeoutError, BusyLoadingError)) and not isinstance(
        error, AuthenticationError
    )
