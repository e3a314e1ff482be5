"""What a machine is and has, asked with one script of common tools."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command

SCRIPT = """
uname -m; uname -r; nproc; id -u
if [ -r /etc/os-release ]; then . /etc/os-release; fi
echo "${PRETTY_NAME:-$(uname -s)}"
cat /proc/sys/net/ipv4/ip_unprivileged_port_start
sed -n 's/^MemAvailable: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo
for at do
    while [ ! -e "$at" ] && [ "$at" != / ]; do at=$(dirname "$at"); done
    if [ -w "$at" ] && [ -x "$at" ]; then can=1; else can=0; fi
    echo "$can $(stat -c %d "$at") $(stat -f -c '%a %S' "$at") $at"
done
"""
FACTS = 7


@dataclass(frozen=True, slots=True)
class Place:
    """A directory, or its nearest ancestor that exists: `at`."""

    at: Path
    writable: bool
    filesystem: str
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory` is what is available, in bytes; `lowest_port` the lowest anybody may open."""

    architecture: str
    system: str
    kernel: str
    processors: int
    uid: int
    memory: int
    lowest_port: int
    places: tuple[Place, ...]


def survey(places: Iterable[Path]) -> Command:
    words = ("sh", "-c", SCRIPT, "sh", *(str(place) for place in places))
    return Command(words, changes=False, timeout_s=30)


def parse(text: str) -> Machine:
    """From what the survey prints."""
    lines = text.splitlines()
    architecture, kernel, processors, uid, system, lowest_port, memory = lines[:FACTS]
    return Machine(
        architecture=architecture,
        system=system,
        kernel=kernel,
        processors=int(processors),
        uid=int(uid),
        memory=int(memory) * 1024,
        lowest_port=int(lowest_port),
        places=tuple(_place(line) for line in lines[FACTS:]),
    )


def _place(line: str) -> Place:
    writable, filesystem, blocks, size, at = line.split(" ", 4)
    return Place(Path(at), writable == "1", filesystem, int(blocks) * int(size))
