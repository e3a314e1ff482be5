"""Which variables of the caller's shell count: those docs/operating.md lists, and no other.

A variable that a program reads by itself (PGSSLMODE, RESTIC_PASSWORD_FILE, COMPOSE_FILE) would
say something else than the environment's file, unseen.
"""

import os
from fnmatch import fnmatchcase

from clients.command import Command

HONOURED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*",
    "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG",
)  # fmt: skip
# Of these the libraries of this very process would read some.
_LIBRARIES = ("PG*", "RESTIC_*", "DOCKER_*", "COMPOSE_*")
_HERE = ("localhost", "127.0.0.1", "::1")
MORE_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

_forgotten: dict[str, str] = {}


def search_path() -> str:
    """Where programs are looked for: also in the administrator's folders."""
    return f"{os.environ.get('PATH', os.defpath)}:{MORE_PATH}"


def variables(command: Command) -> dict[str, str]:
    """The whole environment of the command on this machine."""
    kept = {name: value for name, value in os.environ.items() if _matches(name, HONOURED)}
    added = {name: v if isinstance(v, str) else v.value for name, v in command.env}
    return {**kept, "PATH": search_path(), **added}


def forget() -> None:
    """The libraries of this process do not see what they would read and does not count."""
    for name in list(os.environ):
        if _matches(name, _LIBRARIES) and not _matches(name, HONOURED):
            _forgotten[name] = os.environ.pop(name)
    for name in ("ALL_PROXY", "all_proxy"):  # nor does the worker that is started from here
        os.environ.pop(name, None)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = _beside_proxies(os.environ.get(name, ""))


def _beside_proxies(names: str) -> str:
    """What no proxy is asked for: this machine, too, wherever a proxy may be."""
    listed = [name.strip() for name in names.split(",") if name.strip()]
    more = [name for name in _HERE if name not in listed]
    return names if "*" in listed else ",".join([*listed, *more])


def plain_umask() -> None:
    """What is made is as open as its own mode says: servers' users and containers read some."""
    os.umask(0o022)


def given() -> dict[str, str]:
    """All variables this process was started with, for what names one of them."""
    return {**_forgotten, **os.environ}


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
