"""PostgreSQL's command-line tools and files: argv and text out, facts in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command

LIMIT_S = 90
# pg_ctl's own limit is no shorter than any of ours.
_ENDLESS = 86_400
_SETTING = re.compile(r"^(\w+) = '(.*)'$")


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's programs, run as `user` (None: as whoever we are)."""

    folder: Path
    user: str | None

    def initdb(self, data: Path, owner: str) -> Command:
        """Fill the empty directory `data`; nobody can log in until pg_hba.conf is replaced."""
        return self._command(
            "initdb",
            f"--pgdata={data}",
            f"--username={owner}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            "--auth=reject",
        )

    def start(self, data: Path, log: Path) -> Command:
        """Start in the background; returns when connections are accepted."""
        return self._pg_ctl("start", data, f"--log={log}", "--wait", f"--timeout={_ENDLESS}")

    def stop(self, data: Path) -> Command:
        """End it, sessions cancelled; returns when it has written everything."""
        return self._pg_ctl("stop", data, "--mode=fast", "--wait", f"--timeout={_ENDLESS}")

    def reload(self, data: Path) -> Command:
        return self._pg_ctl("reload", data)

    def _pg_ctl(self, verb: str, data: Path, *options: str) -> Command:
        return self._command("pg_ctl", verb, f"--pgdata={data}", "--silent", *options)

    def _command(self, program: str, *words: str) -> Command:
        # The caller's directory may be closed to that user.
        whole = (str(self.folder / "bin" / program), *words)
        return Command(whole, cwd="/", user=self.user, timeout_s=LIMIT_S)


def conf(settings: Mapping[str, str]) -> str:
    """Text of a postgresql.conf."""
    lines = [f"{name} = '{_escaped(value)}'\n" for name, value in settings.items()]
    return "# Written by dify-rollout.\n" + "".join(lines)


def parse_conf(text: str) -> dict[str, str]:
    """Settings of a file that `conf` made; a hand-written line is kept under its own text."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _SETTING.match(stripped)
        found[match[1] if match else stripped] = match[2].replace("''", "'") if match else ""
    return found


def port(postmaster_pid: str) -> int | None:
    """The port of the running server, from its postmaster.pid."""
    lines = postmaster_pid.splitlines()
    return int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else None  # noqa: PLR2004


def complaints(log: str) -> str:
    """Why the server refused to start: the fatal lines of its newest attempt, hints included."""
    telling = [line for line in log.splitlines() if _tells(line)]
    return "; ".join(line.split(": ", 1)[1].strip() for line in telling[-3:])


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Names whose value differs, sorted."""
    names: Iterable[str] = {*old, *new}
    return sorted(name for name in names if old.get(name) != new.get(name))


def _tells(line: str) -> bool:
    return any(f"{word}:  " in line for word in ("FATAL", "PANIC", "HINT"))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
