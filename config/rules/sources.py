"""Where an image may be pulled from, in the order an environment gives."""

from dataclasses import dataclass

ORIGIN = "origin"
HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may have an image: the registry's host, and the name it has there."""

    registry: str
    reference: str


def sources(image: str, digest: str | None, registries: list[str]) -> list[Source]:
    """The places to ask, first the first.

    `registries`: `origin` is the registry the image itself names; any other is a host,
    with a path where it keeps copies below one. With a digest nothing else is accepted.
    """
    host, path, tag = split(image)
    version = f"@{digest}" if digest else f":{tag}"
    return [
        Source(host, f"{path if host == HUB else f'{host}/{path}'}{version}")
        if registry == ORIGIN
        else Source(registry.partition("/")[0], f"{registry}/{path}{version}")
        for registry in registries
    ]


def split(image: str) -> tuple[str, str, str]:
    """Registry's host, path there and tag, as Docker reads a name.

    The first part is a host if it has a dot or a colon, or is `localhost`; a name of one
    part on Docker Hub lies below `library`.
    """
    first, slash, rest = image.partition("/")
    hosted = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if hosted else (HUB, image)
    path, colon, tag = path.partition(":")
    if host == HUB and "/" not in path:
        path = f"library/{path}"
    return host, path, tag if colon else "latest"
