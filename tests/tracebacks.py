"""Tracebacks in the output of `rollout`, which must never print one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

FIRST_LINE = "Traceback (most recent call last)"
_BEFORE = ("sudo", "env", "setsid", "nice", "timeout")


def tracebacks(words: Any, *said: str | bytes | None) -> Iterator[str]:
    """Of what `rollout` with these words printed, each text that has a traceback in it."""
    if not _ours(words):
        return
    for text in said:
        read = text.decode(errors="replace") if isinstance(text, bytes) else text or ""
        if FIRST_LINE in read:
            yield f"{words}: {read}"


def _ours(words: Any) -> bool:
    if isinstance(words, str) or not isinstance(words, Sequence):
        return False
    names = [Path(str(word)).name for word in words]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "rollout" in (names if names[:1] and names[0] in _BEFORE else names[:1])
