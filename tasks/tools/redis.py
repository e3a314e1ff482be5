"""redis-server's command line and configuration file."""

import re
from collections.abc import Mapping
from pathlib import Path

from clients.command import Command

SECRET = frozenset({"requirepass", "masterauth"})
# Those that a running server does not let itself be told.
FIXED = frozenset(
    {"bind", "port", "dir", "pidfile", "logfile", "daemonize", "databases", "dbfilename"}
    | {"appendfilename", "appenddirname", "unixsocket", "supervised", "io-threads"}
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNITS = {"k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}
_SIZE = re.compile(r"(\d+)(k|kb|m|mb|g|gb)", re.IGNORECASE)


def start(program: str, conf: Path, user: str | None) -> Command:
    """Start in the background, as the file says; returns before connections are accepted."""
    return Command((program, str(conf)), cwd="/", user=user, timeout_s=30)


def parse_conf(text: str) -> dict[str, str]:
    """Directive → value, unquoted, of a redis.conf."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#"):
            found[name.lower()] = _unquoted(value.strip())
    return found


def differences(desired: Mapping[str, str], live: Mapping[str, str]) -> list[str]:
    """Directives that the running server has otherwise; those it does not report are left out."""
    return [
        name
        for name, value in desired.items()
        if name in live and _bytes(value) != _bytes(live[name])
    ]


def shown(settings: Mapping[str, str], names: list[str]) -> str:
    """Lines for people, secrets masked."""
    return "\n".join(
        f"{name} {'***' if name in SECRET else settings[name]}"
        for name in names
        if name in settings
    )


def complaint(log: str) -> str:
    """Why the server ended: the last warnings of its log, without date and pid."""
    lines = [line.partition(" # ")[2] for line in log.splitlines() if " # " in line]
    return "; ".join(line for line in lines[-3:] if not line.startswith("WARNING"))


def _unquoted(value: str) -> str:
    match = _QUOTED.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", match[1]) if match else value


def _bytes(value: str) -> str:
    """Sizes as the server reports them: in bytes."""
    match = _SIZE.fullmatch(value)
    return str(int(match[1]) * _UNITS[match[2].lower()]) if match else value
