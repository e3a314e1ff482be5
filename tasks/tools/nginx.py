"""nginx's command line: argv out, complaints in."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command

_COMPLAINT = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.+)")
_CUT = re.compile(
    r"upstream prematurely closed connection .*, "
    r'request: "(\w+ [^ ?"]+)[^"]*", upstream: "\w+://([0-9.]+):'
)
_ADDRESS = re.compile(r"(?:\bserver\s+|\bproxy_pass\s+https?://)([^\s;/{]+:\d+)")
_PLACE = re.compile(r"(.+?) in (/.+):(\d+)$")
_NAMES = re.compile(r"(?:^|[;{\s])server_name\s+([^;]+);")
# Words: file of the master's id, a folder and an ending in it, files. The workers that are
# shutting down have another title.
_ASK_UNREAD = (
    'master=$(cat "$1") && folder=$2 && ending=$3 && shift 3 || exit; '
    'echo "$(cut -d" " -f1 /proc/uptime) $(date +%s.%N) $(getconf CLK_TCK)"; '
    'ps -o pid=,args= --ppid "$master" | while read -r pid title; do '
    '[ "$title" != "nginx: worker process" ] || '
    'echo "worker $(cut -d" " -f22 "/proc/$pid/stat")"; done; '
    'stat -c "%.Z %n" "$@" "$folder"/*"$ending" 2>/dev/null || true'
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why nginx refused: the reason, and the file and line if it named them."""

    reason: str
    path: Path | None = None
    line: int = 0


def start(prefix: Path, user: str | None) -> Command:
    """Start in the background; returns when the ports are bound."""
    return Command(_nginx(prefix, user), timeout_s=30)


def test(prefix: Path, user: str | None) -> Command:
    """Read the whole configuration as a start would; nothing that runs notices."""
    return Command((*_nginx(prefix, user), "-t", "-q"), timeout_s=30)


def dump(prefix: Path, user: str | None) -> Command:
    """Print the whole configuration, each file with its path."""
    return Command((*_nginx(prefix, user), "-T"), timeout_s=30, changes=False)


def is_master(title: str, prefix: Path) -> bool:
    """Whether a process title is that of the master with this prefix."""
    return title.startswith("nginx: master process") and f" -p {prefix} " in title


def is_worker(title: str) -> bool:
    """Whether it is a worker's, a worker that is shutting down included."""
    return title.startswith("nginx: worker process")


def is_current_worker(title: str) -> bool:
    """Whether it is a worker's that takes new connections."""
    return title == "nginx: worker process"


def complaint(text: str) -> Complaint | None:
    """The first fatal line of nginx's output or error log."""
    found = _COMPLAINT.search(text)
    if found is None:
        return None
    place = _PLACE.match(found[1].strip())
    if place is None:
        return Complaint(found[1].strip())
    return Complaint(place[1], Path(place[2]), int(place[3]))


def cut(lines: Iterable[str], addresses: Collection[str]) -> list[str]:
    """Method and path of each request whose answer one of these addresses did not end."""
    found = (_CUT.search(line) for line in lines)
    return [each[1] for each in found if each and each[2] in addresses]


def names(text: str) -> set[str]:
    """The domains of every server in a file."""
    plain = re.sub(r"#.*", "", text)
    return {name for found in _NAMES.findall(plain) for name in found.split()} - {"_"}


def has(text: str, name: str, directive: str) -> bool:
    """Whether a file serves that domain and has that directive."""
    return name in names(text) and directive in text


def ask_unread(pid_file: Path, folder: Path, ending: str, files: Iterable[Path]) -> tuple[str, ...]:
    """Ask when nginx has read its files, and when these and those with the ending came there."""
    given = (pid_file, folder, ending, *files)
    return ("sh", "-c", _ASK_UNREAD, "unread", *map(str, given))


def unread(answer: Sequence[str]) -> list[str]:
    """Names of the files that came to their place after its oldest worker had started.

    A time in the future says that the clock was set back: then it tells nothing.
    """
    first, *rest = answer or [""]
    began = [int(line.split()[1]) for line in rest if line.startswith("worker ")]
    files = [line.split(" ", 1) for line in rest if not line.startswith("worker ")]
    if not began:
        return []
    up, now, ticks = map(float, first.split())
    since = now - up + min(began) / ticks
    return sorted(Path(path).name for moment, path in files if since < float(moment) <= now)


def addresses(text: str) -> list[str]:
    """`host:port` of every server that a file's requests are passed to."""
    plain = re.sub(r"#.*", "", text)
    return sorted(set(_ADDRESS.findall(plain)))


def _nginx(prefix: Path, user: str | None) -> tuple[str, ...]:
    """nginx with its own directory only. `user`: whom root's workers run as."""
    as_user = ("-g", f"user {user};") if user else ()
    return ("nginx", "-p", str(prefix), "-c", str(prefix / "nginx.conf"), *as_user)
