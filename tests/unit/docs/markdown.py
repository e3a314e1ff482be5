"""What the guides quote: code of every Markdown file, apart from the prose around it."""

import re
from collections.abc import Iterator
from pathlib import Path

from config.load import ROOT

FILES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")


def code(path: Path) -> Iterator[str]:
    """Lines of code blocks without their comments, and what stands between backticks."""
    text = path.read_text(encoding="utf-8")
    for block in _FENCE.finditer(text):
        lines = block["code"].replace("\\\n", " ").splitlines()
        yield from (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
    for span in _SPAN.finditer(_FENCE.sub("", text)):
        yield " ".join(span[1].split())
