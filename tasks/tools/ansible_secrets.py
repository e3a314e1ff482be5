"""What of Ansible's output is not shown: values of secret variables, and what looks like one."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast
from urllib.parse import quote

from config.desired.inventory.masking import MASK, is_secret

_SHORTEST = 6  # a shorter value would hide half of every line
_PUBLIC = frozenset({"pigsty", "true", "false", "null"})  # a default, and part of every path
_ANSWER = re.compile(r"^\S+ \| SUCCESS => (?=\{)", re.MULTILINE)
_VALUE = r"""(?P<value>\\"(?:[^"\\]|\\(?!"))*\\"|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,;}\])'"\\]+)"""
_NAME = r"[\w.-]*(?:passw(?:or)?d|passphrase|_pass|secret|token|_key|_auth)"
_ASSIGNED = rf"""(?i:{_NAME})\\?['"]?\s*[:=]\s*{_VALUE}"""
_LOGIN = r"""(?:(?<=[\s"'])|^)(?:-u|--user)["'\\,]*[\s=]+"""
# Each names as `value` what is hidden.
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        _ASSIGNED,
        r"""://[^\s/:@'"]*:(?P<value>[^\s'"]+)@""",
        r"""(?<![\w/:.])[A-Za-z_][\w.-]*:(?P<value>[^\s:/@'"]+)@(?!sha256:)(?=[\w\[])""",
        rf"""{_LOGIN}\\?(?P<quote>["'])[^\s:"'\\]+:(?P<value>.*?)\\?(?P=quote)""",
        rf"""{_LOGIN}[^\s:"'\\]+:(?P<value>[^\s"'\\]+)""",
        r"""(?i:--(?:password|pass|token|secret))["'\\,\s]+(?P<value>[^\s"'\\-][^\s"'\\]*)""",
        r"""redis-cli\b.*?\s["']?-a["'\\,\s]+(?P<value>[^\s"'\\]+)""",
        r"""(?i:password)\s+(?P<value>'(?:[^']|'')*')""",
        r"""\b(?:Basic|Bearer)\s+(?P<value>[\w+/=.~-]{8,})""",
    )
)


class Mask:
    """Replaces known values in each form programs print them in, and what looks like a secret."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values if _counts(value) for form in _forms(value)}
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_without_value, text)
        return text


def resolved(output: str) -> set[str]:
    """Values of the variables whose names say secret, out of `Tree.variables`."""
    found: set[str] = set()
    for answer in _ANSWER.finditer(output):
        try:
            content, _ = json.JSONDecoder().raw_decode(output, answer.end())
        except ValueError:
            continue
        found |= set(_secret_leaves(content, secret=False))
    return found


def written(text: str) -> set[str]:
    """Values in the text of variables' files: comments may hold old passwords."""
    found = {
        match["value"].strip("'\"\\")
        for line in text.splitlines()
        for pattern in _PATTERNS
        for match in pattern.finditer(line)
    }
    return {value for value in found if "{{" not in value and _counts(value)}


def _secret_leaves(content: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in cast("dict[str, Any]", content).items():
            yield from _secret_leaves(value, secret=secret or is_secret(key))
    elif isinstance(content, list):
        for value in cast("list[Any]", content):
            yield from _secret_leaves(value, secret=secret)
    elif secret and isinstance(content, str | int) and not isinstance(content, bool):
        yield str(content)


def _counts(value: str) -> bool:
    return len(value) >= _SHORTEST and value.lower() not in _PUBLIC


def _forms(value: str) -> Iterator[str]:
    """As it is, in JSON, in JSON within JSON, in a URL, and line by line."""
    once = json.dumps(value)[1:-1]
    yield from (value, once, json.dumps(once)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield quote(value, safe="")
    if "\n" in value:
        yield from (line.strip() for line in value.splitlines() if _counts(line.strip()))


def _without_value(match: re.Match[str]) -> str:
    start, end = match.span("value")
    return match[0][: start - match.start()] + MASK + match[0][end - match.start() :]
