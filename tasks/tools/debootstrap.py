"""A Debian root filesystem without any image registry: argv out, the mirror read from apt."""

import re
from pathlib import Path

from clients.command import Command

MIRROR = "http://deb.debian.org/debian"
_DEB = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s", re.MULTILINE)


def bootstrap(suite: str, include: list[str], root: Path, mirror: str) -> Command:
    """Install `suite` with `include` into `root`; takes one to two minutes."""
    options = ("--variant=minbase", f"--include={','.join(include)}")
    return Command(("debootstrap", *options, suite, str(root), mirror), timeout_s=1800)


def mirror(sources: list[str], suite: str) -> str:
    """The mirror this machine's apt uses for `suite`; Debian's own if it names none."""
    for text in sources:
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^(URIs|Suites):\s*(.+)$", stanza, re.MULTILINE))
            if suite in fields.get("Suites", "").split():
                return fields["URIs"].split()[0]
        for match in _DEB.finditer(text):
            if match["suite"] == suite:
                return match["uri"]
    return MIRROR
