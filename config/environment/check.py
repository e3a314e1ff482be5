"""How a kind of text is checked: a test, and the sentence about a text that fails it.

A check returns the text, or raises ValueError; pydantic's AfterValidator takes it.
"""

import re
from collections.abc import Callable

Check = Callable[[str], str]

# To the last @: a password may hold every character, and is often not encoded.
_PASSWORD = re.compile(r"([^\s:/@]*):(?!//)\S+@")


def satisfies(test: Callable[[str], object], sentence: str) -> Check:
    """A check by a test that is true of good texts. In the sentence `{!r}` is the text."""

    def check(value: str) -> str:
        if not test(value):
            raise ValueError(sentence.format(masked(value)))
        return value

    return check


def masked(value: str) -> str:
    """The text without the password of a login in it, since what was refused is repeated."""
    return _PASSWORD.sub(r"\1:***@", value)


def matches(pattern: str, sentence: str) -> Check:
    """A check that the text matches `pattern` from end to end."""
    return satisfies(re.compile(pattern).fullmatch, sentence)


def each(check: Check) -> Callable[[list[str]], list[str]]:
    """The same check of a list's texts; the error is the list's, without an entry's number."""
    return lambda values: [check(value) for value in values]
