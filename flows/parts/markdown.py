"""Text of services and people in Markdown, shown as it is."""

import re

# What makes a link, a tag, code, emphasis or a new cell; a new line would begin anything.
_MEANS = re.compile(r"([\\`*_\[\]<>|])")


def plain(text: object) -> str:
    """The text as Markdown whose every character stands for itself, in one line."""
    return _MEANS.sub(r"\\\1", " ".join(str(text).split()))
