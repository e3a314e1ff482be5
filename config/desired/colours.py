"""The two names that a service may have in the stack, so that an old one and a new one overlap."""

from collections.abc import Mapping
from enum import StrEnum

from config.release import Service


class Colour(StrEnum):
    """Blue is the plain one, which every service has."""

    BLUE = "blue"
    GREEN = "green"


Colours = Mapping[str, Colour]  # of a service; one that is not named is blue
NONE: Colours = {}
_SUFFIX = "-green"


def named(service: str, colour: Colour) -> str:
    """The service's name in compose.yaml: blue is the plain one."""
    return service + _SUFFIX if colour == Colour.GREEN else service


def split(name: str) -> tuple[str, Colour]:
    """The service of a name in compose.yaml, and its colour."""
    return name.removesuffix(_SUFFIX), Colour.GREEN if name.endswith(_SUFFIX) else Colour.BLUE


def other(colour: Colour) -> Colour:
    return Colour.GREEN if colour == Colour.BLUE else Colour.BLUE


def own_name(service: str, colour: Colour) -> str:
    """Where the stack's network finds that colour alone; both answer to the plain name."""
    return f"{service}-{colour}"


def aliases(name: str, service: Service, colour: Colour) -> list[str]:
    """The names it needs in its networks beside the one that Compose gives it."""
    if service.overlap is None or service.port is None:
        return []
    return [own_name(name, Colour.BLUE)] if colour == Colour.BLUE else [name]
