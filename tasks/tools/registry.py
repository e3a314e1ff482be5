"""What an image's name says of its registry, and what a registry's refusal means."""

import re
from enum import Enum

HUB = "registry-1.docker.io"


class Refusal(Enum):
    """Why a pull failed, as people read it. Only a passing one is worth another try."""

    MISSING = "the registry has no such image or tag"
    DENIED = "the registry denies access"
    NO_SPACE = "no space left where Docker keeps images"
    PASSING = "the registry cannot be reached or does not manage to answer"

    @property
    def advice(self) -> str:
        return {
            Refusal.MISSING: "check the name in config/releases",
            Refusal.DENIED: "log in to it with docker login, or check the name",
            Refusal.NO_SPACE: "free space: docker image prune",
            Refusal.PASSING: "check network, proxy and mirror, or set images.source to 'archive'",
        }[self]


PATTERNS = {
    Refusal.NO_SPACE: r"no space left",
    Refusal.MISSING: r"manifest unknown|manifest for .* not found|\b404\b.*not found",
    Refusal.DENIED: r"unauthorized|denied|forbidden|authentication required",
}


def judge(message: str) -> Refusal:
    """What the engine's message about a pull comes down to."""
    for refusal, pattern in PATTERNS.items():
        if re.search(pattern, message, re.IGNORECASE):
            return refusal
    return Refusal.PASSING


def registry_of(reference: str) -> str:
    """Host (and port) of the registry an image comes from.

    Docker's rule: the first part is a host if it has a dot or a colon, or is `localhost`.
    """
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB
