"""The file of an authority that somebody named, since no public one signed."""

from pathlib import Path

from clients.node import Node
from config.errors import RolloutError

_BEGIN = "-----BEGIN CERTIFICATE-----"


class NoCertificate(RolloutError):
    """The file is missing, or holds something else: `advice` says which one to name."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def authority(node: Node, path: Path, key: str, signed: str) -> str:
    """The certificate as PEM. `key`: what names the file; `signed`: the key of the server.

    Raises:
        NoCertificate: the node has no such file, or it is none.
    """
    text = (node.read(path) or b"").decode(errors="replace")
    if _BEGIN not in text:
        raise NoCertificate(
            f"{key}: {path} on {node.name} is no certificate",
            f"name the PEM file of the authority that signs for {signed}",
        )
    return text
