"""A Redis server as its clients reach it."""

from collections.abc import Callable, Generator
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
    NoPermissionError,
    RedisError,
    TimeoutError,  # noqa: A004
)
from redis.retry import Retry

from clients.node import LocalNode, Node
from clients.waiting import despite
from config.errors import NotKnown, Unreachable

TIMEOUT_S = 5.0


class RedisUnreachable(Unreachable):
    """Nobody answered, or not yet: asking again may help."""


class RedisRefused(NotKnown):
    """The server answered and does not accept the password: asking again changes nothing."""


class RedisUnfit(RedisRefused):
    """The server answered and cannot be Dify's: `advice` says what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


# What a server says, and what to do about it.
_UNFIT = {
    "cluster mode": "Dify needs a Redis that is no cluster: give it one of its own",
    "DB index": "set redis.database and redis.broker_database to numbers it has, "
    "or raise `databases` in its redis.conf",
    "unknown command": "the server has renamed or switched off a command: give it back to Dify",
    "Protocol Error": "what answers there is no Redis: mend redis.host and redis.port",
}


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where to connect, as `node` reaches it, and with what password."""

    host: str
    port: int
    password: SecretStr
    database: int = 0
    node: Node = field(default_factory=LocalNode)

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
        except (AuthenticationError, NoPermissionError) as error:
            raise RedisRefused(f"Redis refuses {self}: {error}") from None
        except (ConnectionError, TimeoutError) as error:
            raise RedisUnreachable(f"Redis at {self} does not answer: {error}") from None
        except RedisError as error:
            raise self._unfit(str(error)) from None
        finally:
            client.close()

    def _unfit(self, said: str) -> RedisUnfit:
        if "DB index" in said and self._is_cluster():
            said += " (it is in cluster mode)"
        known = [advice for words, advice in _UNFIT.items() if words in said]
        advice = known[0] if known else "look at the log of that server"
        return RedisUnfit(f"Redis at {self} does not do what it is asked: {said}", advice)

    def _is_cluster(self) -> bool:
        """Whether it says so: a Valkey that is one has databases, by default one alone."""
        with replace(self, database=0).client() as client:
            return bool(client.info("cluster").get("cluster_enabled"))  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]

    def check(self) -> str:
        """Log in; what answered. Raises as `client`."""
        with self.client():
            return f"Redis lets us into its database {self.database}"

    def _client(self) -> "redis.Redis":
        host, port = self.node.reach(self.host, self.port)
        options: dict[str, Any] = {
            "host": host,
            "port": port,
            "password": self.password.get_secret_value() or None,
            "db": self.database,
            "socket_timeout": TIMEOUT_S,
            "socket_connect_timeout": TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": True,
        }
        return redis.Redis(**options)


def _ping(client: "redis.Redis") -> None:
    client.execute_command("PING")  # pyright: ignore[reportUnknownMemberType]


def _no_answer(error: BaseException) -> bool:
    """Whether asking again may help: a wrong password is a ConnectionError too."""
    return isinstance(error, (ConnectionError, TimeoutError, BusyLoadingError)) and not isinstance(
        error, AuthenticationError
    )
