"""An inventory that can be shown: no password in it, whether ours or the user's."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from config.desired.inventory.document import MAPPING, SCALAR, SEQUENCE, Document, key_of, read
from config.errors import ConfigError

MASK = "***"
NEW = "*** (new)"

_SECRET_KEY = re.compile(
    r"(?<!by)pass|pwd$|secret|token|credential|cipher|(^|_)key$", re.IGNORECASE
)
_WRITTEN = re.compile(
    r"(?P<key>[\w.-]*(?:pass|secret|token|credential|cipher|_key)[\w.-]*['\"]?\s*[:=]\s*)\S.*",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE)

Spans = dict[tuple[int, int], str]


def is_secret(key: object) -> bool:
    """Whether a key's value is never shown."""
    return bool(_SECRET_KEY.search(str(key)))


def plain(text: str, secrets: Iterable[str]) -> str:
    """`text` without our secrets and without what stands before the @ of a URL."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _IN_URL.sub(rf"\g<scheme>{MASK}@", text)


def masked(text: str, secrets: Iterable[str], before: str = "") -> str:
    """`text` to show; a value that is not the same in `before` is said to be new."""
    try:
        spans = _spans(read(text))
        known = set(_spans(read(before)).values()) if before else None
    except ConfigError:
        return _by_line(text, secrets)
    parts: list[str] = []
    at = 0
    for (start, end), value in sorted(spans.items()):
        parts += [_by_line(text[at:start], secrets, comments=True)]
        parts += [MASK if known is None or value in known else NEW]
        at = end
    return "".join([*parts, _by_line(text[at:], secrets, comments=True)])


def _by_line(text: str, secrets: Iterable[str], *, comments: bool = False) -> str:
    """What no parser reads: comments, or a text that is no YAML."""
    lines = plain(text, secrets).split("\n")
    return "\n".join(_line(line) if not comments or "#" in line else line for line in lines)


def _line(line: str) -> str:
    return _WRITTEN.sub(rf"\g<key>{MASK}", line)


def _spans(document: Document) -> Spans:
    found: Spans = {}
    for node in _secret_scalars(document.root, False, set()):
        if node.value and node.start_mark.index < node.end_mark.index:
            span = document.text[node.start_mark.index : node.end_mark.index]
            end = node.start_mark.index + len(span.rstrip())
            found[node.start_mark.index, end] = node.value
    return found


def _secret_scalars(node: Any, secret: bool, seen: set[tuple[int, bool]]) -> Iterator[Any]:
    if (id(node), secret) in seen:
        return
    seen.add((id(node), secret))
    if node.id == MAPPING:
        for key, value in node.value:
            yield from _secret_scalars(value, secret or is_secret(key_of(key)), seen)
    elif node.id == SEQUENCE:
        for item in node.value:
            yield from _secret_scalars(item, secret, seen)
    elif secret and node.id == SCALAR:
        yield node
