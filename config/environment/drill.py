"""Where a drill runs beside its environment: derived, unless the environment says otherwise."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import Field

from config.environment.addresses import Port, Subnet
from config.environment.model import Strict

_PORTS_ON = 8
_LAST_PORT = 65_535
_REDIS_DATABASES = 16

RedisDatabase = Annotated[int, Field(ge=0, le=15)]


class DrillPlace(Strict):
    """What is not derived."""

    subnet: Subnet | None = None
    port: Port | None = None
    redis: RedisDatabase | None = None
    broker: RedisDatabase | None = None


@dataclass(frozen=True, slots=True)
class Drill:
    """Network and port of the stack that a drill starts, and the Redis databases it empties."""

    subnet: str
    port: int
    redis: int
    broker: int


def derived(place: DrillPlace, *, subnet: str, port: int, taken: set[int]) -> Drill:
    """`subnet` and `port` are the stack's, `taken` the Redis databases of the environment."""
    free = [number for number in range(_REDIS_DATABASES) if number not in taken]
    return Drill(
        subnet=place.subnet or str(_beside(IPv4Network(subnet))),
        port=place.port
        or (port + _PORTS_ON if port + _PORTS_ON <= _LAST_PORT else port - _PORTS_ON),
        redis=free[-2] if place.redis is None else place.redis,
        broker=free[-1] if place.broker is None else place.broker,
    )


def _beside(network: IPv4Network) -> IPv4Network:
    """The next network of its size, or the one before it where that is not private."""
    size = network.num_addresses
    at = int(network.network_address)
    after = IPv4Network((at + size, network.prefixlen))
    return after if after.is_private else IPv4Network((at - size, network.prefixlen))
