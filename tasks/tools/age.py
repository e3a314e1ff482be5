"""age: encrypts to public keys."""

from collections.abc import Sequence

from clients.command import Command, Secret


def encrypt(recipients: Sequence[str], content: str) -> Command:
    """Print `content`, armoured, so that only the owners of these keys can read it."""
    keys = [word for key in recipients for word in ("--recipient", key)]
    return Command(("age", "--armor", *keys), stdin=Secret(content), changes=False)
