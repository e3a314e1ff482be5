"""Which variables of the shell a command sees."""

import os

from clients.command import Command

NEEDED = ("PATH", "HOME", "LANG", "XDG_", "DOCKER_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
          "http_proxy", "https_proxy", "no_proxy")  # fmt: skip
MORE_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def search_path() -> str:
    """Where programs are looked for: also in the administrator's folders."""
    return f"{os.environ.get('PATH', os.defpath)}:{MORE_PATH}"


def variables(command: Command) -> dict[str, str]:
    """The whole environment of the command on this machine."""
    added = {k: v if isinstance(v, str) else v.value for k, v in command.env}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not command.own_env or name.startswith(NEEDED)
    }
    return {**kept, "PATH": search_path(), **added}
