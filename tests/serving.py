"""Servers that tests start, which never outlive them."""

import os
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def serving(
    words: Sequence[str | os.PathLike[str]], **options: Any
) -> Generator[subprocess.Popen[Any]]:
    """The process of the command; ended when the block ends, however that is.

    `options` are those of Popen. `with Popen(…)` alone waits for ever where a test fails.
    """
    process = subprocess.Popen(words, **options)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[Any], within_s: float = 10.0) -> None:
    """End the process politely, else by force."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
