"""Redis as Dify needs it, whoever runs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clients.redis import RedisRefused, RedisServer, RedisUnfit, RedisUnreachable
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Planned

CONNECT_WITHIN_S = 10.0


def dify_redis(site: Site, *, broker: bool = False) -> RedisServer:
    """Dify's cache, or the database of Celery's queues, as Dify reaches it."""
    redis = site.environment.redis
    database = redis.broker_database if broker else redis.database
    password = site.secrets["redis_password"]
    return RedisServer(redis.host, redis.port, password, database, site.node, redis.user)


@dataclass(frozen=True, slots=True)
class RedisRequirements:
    """Redis lets Dify in where Dify will ask, and forgets nothing when memory is short.

    `pending`, `unset`: whether earlier parts of the step will make the server, or change its
    settings; their plans name what is missing, so this one does not. `within_s`: how long a
    server that does not answer is asked again.
    """

    site: Site
    pending: Callable[[], bool] = lambda: False
    unset: Callable[[], bool] = lambda: False
    within_s: float = CONNECT_WITHIN_S
    name: str = "redis"
    settle_s: float = 0

    def observe(self) -> list[StepError]:
        for broker in (False, True):
            server = dify_redis(self.site, broker=broker)
            try:
                facts = server.facts(self.site.within(self.within_s))
            except RedisUnfit as error:
                return [StepError("redis", str(error), advice=error.advice)]
            except RedisRefused as error:
                mend = f"rollout secrets {self.site.name} redis_password --set"
                advice = f"{mend}, or mend redis.user"
                return [StepError("redis", str(error), advice=advice)]
            except RedisUnreachable as error:
                if self.pending():
                    return []
                advice = "start it, or mend redis.host and redis.port in the environment's file"
                return [StepError("redis", str(error), advice=advice, passes=True)]
            if wrong := self._set_otherwise(server, facts):
                return [wrong]
        return []

    def _set_otherwise(self, server: RedisServer, facts: Mapping[str, Any]) -> StepError | None:
        """How it would drop jobs, or take none, if that is not for an earlier part to change."""
        policy = facts.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and not self.unset():
            cause = f"maxmemory-policy is {policy}: Redis would drop queued jobs"
            advice = "as administrator: CONFIG SET maxmemory-policy noeviction"
            return StepError("redis", cause, advice=advice)
        try:
            server.require_writes()
        except RedisUnfit as error:
            if not self.unset():
                return StepError("redis", str(error), advice=error.advice)
        return None

    def plan(self, actual: list[StepError]) -> Sequence[Planned]:
        return [
            Blocked("use Redis", error.cause, error.advice, passes=error.passes) for error in actual
        ]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""
