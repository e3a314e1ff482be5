"""The range of each of the stack's networks: a part of `dify.subnet`."""

from ipaddress import IPv4Network
from typing import get_args

from config.environment import Environment
from config.release import Network


def subnets(environment: Environment) -> dict[str, IPv4Network]:
    """Network → its range: half of `dify.subnet` for `default`, an eighth for each other one.

    An engine that chooses by itself may take the range of the machines of PostgreSQL or Redis:
    containers would look for those in their own network.
    """
    whole = IPv4Network(environment.dify.subnet)
    inside = [name for name in get_args(Network) if name != "default"]
    eighths = list(whole.subnets(3))[4:]
    return {"default": next(whole.subnets(1)), **dict(zip(inside, eighths, strict=False))}
