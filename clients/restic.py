"""restic: argv out, parsed facts in. Password and repository travel in the environment only."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from errno import ENOENT
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from clients.command import Command, Secret
from clients.ssh import Identity
from config.errors import RolloutError

DAY_S = 86_400
ASK_S = 300
# restic prints a line of progress so often a second.
FPS = "2"
# Where ssh-add and ssh find what the block of the key holds; restic passes on no RESTIC_….
_PRIVATE_KEY = "BACKUP_SSH_KEY"
_KNOWN_HOSTS = "BACKUP_KNOWN_HOSTS"
_OF_SSH = re.compile(r"subprocess ssh\S*: (.+)")
_LOST_TREE = re.compile(r": tree \w+ is not known; the repository could be damaged")
_CHECKED = re.compile(r"^\[[\d:]+\] +([\d.]+)% +\d+ / \d+ (\w+)")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot."""

    id: str
    time: str
    host: str
    tags: frozenset[str]

    def tag(self, name: str) -> str:
        """The value of the tag `name:value`, empty without one."""
        return next((t.partition(":")[2] for t in self.tags if t.startswith(f"{name}:")), "")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup saved: its snapshot, sizes in bytes, and how much of it was new."""

    snapshot: str
    files: int
    size: int
    added: int


@dataclass(frozen=True, slots=True)
class Restic:
    """One repository as one program reaches it."""

    program: str
    repository: str = field(repr=False)
    password: str = field(repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    identity: Identity | None = None

    def init(self) -> Command:
        return self._command("init", "--quiet")

    def config(self) -> Command:
        """Print what any holder of the password may know; in nobody's way."""
        return self._command("cat", "config", "--no-lock", changes=False)

    def snapshots(self) -> Command:
        return self._command("snapshots", "--json", changes=False)

    def backup(
        self, folders: Sequence[Path], *, host: str, tags: Sequence[str], mounted: bool = False
    ) -> Command:
        """`mounted`: size and time alone tell whether a file changed; a mount makes up the rest."""
        ignored = ("--ignore-inode", "--ignore-ctime") if mounted else ()
        return self._command(
            "backup", "--json", *ignored, "--host", host, *_tags(tags), *map(str, folders),
            timeout_s=DAY_S,
        )  # fmt: skip

    def backup_input(
        self, name: str, *, host: str, tags: Sequence[str], content: str | None = None
    ) -> Command:
        """Save what comes in as one file; `content`, if it is known beforehand."""
        return self._command(
            "backup", "--json", "--stdin", "--stdin-filename", name, "--host", host, *_tags(tags),
            timeout_s=DAY_S, stdin=None if content is None else Secret(content),
        )  # fmt: skip

    def dump(self, snapshot: str, path: str) -> Command:
        """Print one file of a snapshot."""
        return self._command("dump", snapshot, path, changes=False, timeout_s=DAY_S)

    def restore(self, snapshot: str, target: Path, include: Sequence[str] = ()) -> Command:
        included = [word for path in include for word in ("--include", _literal(path))]
        return self._command(
            "restore", snapshot, "--target", str(target), *included, timeout_s=DAY_S
        )

    def check(self, subset: str = "") -> Command:
        """`subset`: "2/7" reads the second seventh of all data, "" none, "all" everything."""
        read = {"": [], "all": ["--read-data"]}.get(subset, [f"--read-data-subset={subset}"])
        return self._command("check", *read, timeout_s=DAY_S)

    def forget(self, snapshots: Sequence[str]) -> Command:
        return self._command("forget", *snapshots, timeout_s=3600)

    def prune(self) -> Command:
        return self._command("prune", timeout_s=DAY_S)

    def unlock(self) -> Command:
        """Remove locks of dead processes; those of living ones stay."""
        return self._command("unlock")

    def _command(
        self,
        *words: str,
        timeout_s: float = ASK_S,
        changes: bool = True,
        stdin: Secret | None = None,
    ) -> Command:
        secret = [(name, Secret(value)) for name, value in self.credentials.items()]
        if self.identity and self._with_identity:
            secret.append((_PRIVATE_KEY, Secret(self.identity.private_key)))
            secret.append((_KNOWN_HOSTS, Secret(self.identity.known_hosts)))
        return Command(
            (self.program, *self._transport(), *words),
            env=(
                ("RESTIC_REPOSITORY", Secret(self.repository)),
                ("RESTIC_PASSWORD", Secret(self.password)),
                ("RESTIC_PROGRESS_FPS", FPS),
                *secret,
            ),
            stdin=stdin,
            tied=True,
            timeout_s=timeout_s,
            changes=changes,
        )

    def _transport(self) -> list[str]:
        """How ssh logs in with a key of our own: an agent of that connection alone holds it.

        Without known hosts the first connection notes the server's key: what the server holds is
        encrypted and authenticated by restic, so it is only kept from being swapped later.
        """
        if not self._with_identity:
            return []
        login, port = _sftp_login(self.repository)
        options = {"BatchMode": "yes", "StrictHostKeyChecking": "accept-new"}
        if self.identity and self.identity.known_hosts:
            options |= {
                "StrictHostKeyChecking": "yes",
                "UserKnownHostsFile": "none",
                "KnownHostsCommand": f"/usr/bin/printenv {_KNOWN_HOSTS}",
            }
        words = ["ssh", *(["-p", port] if port else [])]
        words += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        ssh = " ".join(word.replace(" ", "\\ ") for word in [*words, login, "-s", "sftp"])
        # Restic hears of an end at once, and of the reason only while something is there.
        script = f"printenv {_PRIVATE_KEY} | ssh-add -q - && {ssh} || {{ sleep 1; exit 1; }}"
        # restic reads the option as a line of CSV, where no double quote may be.
        return ["-o", f"sftp.command=ssh-agent sh -c '{script}'"]

    @property
    def _with_identity(self) -> bool:
        return self.identity is not None and self.repository.startswith("sftp:")


def address(repository: str, credentials: Mapping[str, str]) -> str:
    """The repository, with the login of a REST server: restic before 0.15 takes it only there."""
    user = credentials.get("RESTIC_REST_USERNAME", "")
    scheme, slashes, rest = repository.partition("://")
    if not user or not scheme.startswith("rest:") or "@" in rest.partition("/")[0]:
        return repository
    password = credentials.get("RESTIC_REST_PASSWORD", "")
    return f"{scheme}{slashes}{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def server(repository: str) -> str:
    """The URL of the S3 service or REST server it is on, without a login; else empty."""
    kind, _, place = repository.partition(":")
    if kind not in ("s3", "rest"):
        return ""
    found = urlsplit(place if "://" in place else f"https://{place}")
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}/"


def masked(repository: str) -> str:
    """The address without the password it may carry."""
    return re.sub(r"//[^/@]*@", "//***@", repository)


def parse_snapshots(text: str) -> list[Snapshot]:
    """Oldest first."""
    rows: list[dict[str, Any]] = json.loads(text) or []
    found = [
        Snapshot(
            str(row["id"]),
            str(row["time"]),
            str(row["hostname"]),
            frozenset(row.get("tags") or ()),
        )
        for row in rows
    ]
    return sorted(found, key=lambda snapshot: snapshot.time)


def parse_saved(text: str) -> Saved:
    """The summary of `backup --json`, its last message."""
    for line in reversed(text.splitlines()):
        row = _message(line)
        if row.get("message_type") == "summary":
            return Saved(
                str(row["snapshot_id"]),
                int(row["total_files_processed"]),
                int(row["total_bytes_processed"]),
                int(row["data_added"]),
            )
    raise RolloutError("restic backup printed no summary: whether it saved anything is not known")


def parse_progress(line: str) -> float | None:
    """Share of the backup that is done, 0 to 1, if the line is about that."""
    row = _message(line)
    return float(row["percent_done"]) if row.get("message_type") == "status" else None


def parse_check(line: str, unit: str) -> float | None:
    """Share of these that a check has looked at, 0 to 1, if the line is about them."""
    found = _CHECKED.match(line)
    return float(found[1]) / 100 if found and found[2] == unit else None


def misses_nothing(stderr: str) -> bool:
    """Whether a backup with errors is whole but for files that were deleted while it ran.

    What an earlier snapshot has lost is an error to restic, too, which then saves it again.
    """
    rows = [_message(line) for line in stderr.splitlines()]
    errors = [row.get("error") for row in rows if row.get("message_type") == "error"]
    return bool(errors) and all(_is_gone(error) or _is_saved_again(error) for error in errors)


def _is_gone(error: Any) -> bool:
    """restic prints what the system says: words, or an error number."""
    number: Any = error.get("Err") if isinstance(error, dict) else None  # pyright: ignore
    return number == ENOENT or str(error).endswith("no such file or directory")  # pyright: ignore


def _is_saved_again(error: Any) -> bool:
    """restic 0.18 and 0.19 say so in words; 0.14 says nothing of what was wrong."""
    said = str(error.get("message") if isinstance(error, dict) else error)  # pyright: ignore
    return said.endswith("storing the file again") or _LOST_TREE.search(said) is not None


def locked_by(output: str) -> str:
    """Who holds the lock that kept restic out, empty if none did."""
    found = re.search(r"already locked[^\n]*?by (PID .*?)(?:\n|$)", output)
    return found[1] if found else ""


def full_of_temporary(output: str) -> str:
    """The folder in which restic had no room for a pack that it had not sent yet; empty: it had."""
    found = re.search(r"(/\S+)/restic-temp-\S+: (?:no space left|disk quota)", output)
    return found[1] if found else ""


def why(output: str) -> str:
    """The words of restic that tell what is wrong, and of the ssh it has started."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line.removeprefix("Fatal: ") for line in lines if line.startswith("Fatal: ")]
    ssh = [said[1] for line in lines if (said := _OF_SSH.match(line))]
    return (fatal or lines or ["it says nothing"])[-1] + "".join(f"; ssh: {each}" for each in ssh)


def _tags(tags: Sequence[str]) -> list[str]:
    return [word for tag in tags for word in ("--tag", tag)]


def _literal(path: str) -> str:
    """restic reads patterns."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def _message(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _sftp_login(repository: str) -> tuple[str, str]:
    """`user@host` and port of `sftp:user@host:/path` or `sftp://user@host:port//path`."""
    if not repository.startswith("sftp://"):
        return repository.removeprefix("sftp:").partition(":")[0], ""
    address = urlsplit(repository)
    login = f"{address.username}@{address.hostname}" if address.username else address.hostname
    return login or "", str(address.port or "")
