"""What a registry's refusal means."""

import re
from enum import Enum


class Refusal(Enum):
    """Why a pull failed, as people read it. Only a passing one is worth another try."""

    MISSING = "the registry has no such image or tag"
    DENIED = "the registry denies access"
    UNTRUSTED = "the registry's certificate is not trusted"
    NO_SPACE = "no space left where Docker keeps images"
    PASSING = "the registry cannot be reached or does not manage to answer"

    @property
    def advice(self) -> str:
        return {
            Refusal.MISSING: "check the name in config/releases",
            Refusal.DENIED: "name a Login block in images.logins, or check the name",
            Refusal.UNTRUSTED: "put its authority into /etc/docker/certs.d/HOST:PORT/ca.crt",
            Refusal.NO_SPACE: "free space: rollout images prune ENV",
            Refusal.PASSING: "check network, proxy and mirror, or set images.source to 'archive'",
        }[self]


# In this order: the page of an overloaded registry may say anything after its status.
PATTERNS = {
    Refusal.PASSING: r"toomanyrequests|\bHTTP (status: )?(429|5\d\d)\b",
    Refusal.NO_SPACE: r"no space left",
    Refusal.MISSING: r"manifest unknown|manifest for .* not found|\b404\b.*not found"
    r"|failed to resolve reference .*: not found",
    Refusal.DENIED: r"unauthorized|denied|forbidden|authentication required|no basic auth",
    Refusal.UNTRUSTED: r"\bx509:",
}


def judge(message: str) -> Refusal:
    """What the engine's message about a pull comes down to."""
    for refusal, pattern in PATTERNS.items():
        if re.search(pattern, message, re.IGNORECASE):
            return refusal
    return Refusal.PASSING
