"""Section [redis] of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.addresses import Endpoint, Host, Port
from config.environment.forms import RedisUser
from config.environment.model import Strict


class Redis(Strict):
    """Where Dify's cache and queues are."""

    host: Host
    port: Port
    user: RedisUser
    database: Annotated[int, Field(ge=0, le=15)]
    broker_database: Annotated[int, Field(ge=0, le=15)]
    sentinels: list[Endpoint]
    sentinel_master: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    max_memory_mb: Annotated[int, Field(ge=16, le=1_048_576)]
