"""A secret in a text: every way it may be written there, hidden and looked for."""

import base64
import html
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

HIDDEN = "***"


def spellings(secret: str) -> set[str]:
    """The secret as it is, in a URL, in JSON, in HTML and in base64."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        base64.b64encode(secret.encode()).decode(),
    }


def hidden(text: str, secrets: Iterable[str]) -> str:
    """`text` with *** for each spelling of each secret, the longest first."""
    known = {each for secret in secrets if secret for each in spellings(secret)}
    for each in sorted(known, key=len, reverse=True):
        text = text.replace(each, HIDDEN)
    return text


def found(text: str, secrets: Mapping[str, str]) -> list[str]:
    """The names of the secrets that the text holds in some spelling."""
    return sorted(
        name
        for name, secret in secrets.items()
        if secret and any(each in text for each in spellings(secret))
    )
