"""The last guard: an error that was not foreseen becomes a sentence and a file to report."""

import gc
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator

from pydantic import SecretStr

from clients.command import Secret

STATUS = 70  # EX_SOFTWARE of sysexits.h
_SHOWN = 200
_SHORTEST = 4
_PATTERNS = (
    re.compile(r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=password=)\S+|(?<=token=)\S+|(?<=secret=)\S+"),
)
_NAMES = re.compile(r"PASSWORD|SECRET|TOKEN|AUTH|KEY", re.IGNORECASE)


def told(error: BaseException) -> str:
    """The sentence; the traceback lies in a file that only this user can read."""
    text = masked("".join(traceback.format_exception(error)))
    lines = masked(str(error)).strip().splitlines() or ["no message"]
    kept = _kept(f"rollout {masked(' '.join(sys.argv[1:]))}\n{text}")
    return (
        f"unexpected {type(error).__name__}: {lines[0][:_SHOWN]}; what is done is done, and the "
        f"same command goes on from there; for a report: {kept}"
    )


def _kept(text: str) -> str:
    """Where it is; a disk that is full may be the very error."""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="rollout-error-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(text)
    except OSError as error:
        return f"its details could be written nowhere ({error.strerror}), name a TMPDIR with room"
    return f"{file.name} has the details, no secrets"


def masked(text: str) -> str:
    """`text` without any secret that this process knows."""
    for value in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(value, "***")
    for pattern in _PATTERNS:
        text = pattern.sub("***", text)
    return text


def _secrets() -> Iterator[str]:
    for each in gc.get_objects():
        value = ""
        if type(each) is SecretStr:
            value = each.get_secret_value()
        elif type(each) is Secret:
            value = each.value
        if len(value) >= _SHORTEST:
            yield value
    for name, value in os.environ.items():
        if _NAMES.search(name) and len(value) >= _SHORTEST:
            yield value
