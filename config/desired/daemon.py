"""Docker Engine's settings: the proxy it pulls through, laid into files that are not ours."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from config.environment import Environment

LIVE_RESTORE = "live-restore"
DROP_IN = "# Written by dify-rollout.\n[Service]\nEnvironmentFile=-{file}\n"

_HERE = ("localhost", "127.0.0.0/8", "::1")


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the engine goes through and what it reaches without; `url` may carry a password."""

    url: SecretStr
    no_proxy: str

    @property
    def secret(self) -> bool:
        return "@" in self.url.get_secret_value()

    @property
    def masked(self) -> str:
        """As Docker Engine itself shows it."""
        parts = urlsplit(self.url.get_secret_value())
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"xxxxx:xxxxx@{host}" if self.secret else host))

    def variables(self) -> dict[str, str]:
        """As programs read them from their environment."""
        url = self.url.get_secret_value()
        return {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": self.no_proxy}


def proxies(environment: Environment, user: str = "", password: str = "") -> Proxies:
    """The proxy of `docker.proxy`, with a login if there is one."""
    parts = urlsplit(environment.docker.proxy)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    url = urlunsplit(parts._replace(netloc=login + parts.netloc))
    return Proxies(SecretStr(url), ",".join(_without(environment)))


def with_proxies(text: str, wanted: Proxies, *, into_file: bool) -> str:
    """daemon.json with live-restore on and, `into_file`, the proxy; every other key as it was.

    Raises:
        ValueError: the text is not a JSON object.
    """
    settings: Any = json.loads(text) if text.strip() else {}
    if not isinstance(settings, dict):
        raise ValueError("expected an object")
    changed: dict[str, Any] = {**settings, LIVE_RESTORE: True}
    if into_file:
        url = wanted.url.get_secret_value()
        before: Any = changed.get("proxies") or {}
        changed["proxies"] = {
            **before, "http-proxy": url, "https-proxy": url, "no-proxy": wanted.no_proxy,
        }  # fmt: skip
    if changed == settings:
        return text
    return json.dumps(changed, indent=_indent(text), ensure_ascii=False) + "\n"


def environment_file(wanted: Proxies) -> str:
    """The same for a unit of systemd: quoted, and nothing in it is expanded."""
    return "".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}\n"
        for name, value in wanted.variables().items()
    )


def _without(environment: Environment) -> Iterable[str]:
    """State, nodes, the stack's network and what the environment adds, each once."""
    nodes = (name.rpartition("@")[2].partition(":")[0] for name in environment.nodes.dify)
    named = [
        *_HERE,
        environment.postgres.host,
        environment.redis.host,
        urlsplit(environment.storage.endpoint).hostname or "",
        environment.dify.bind,
        environment.dify.subnet,
        *environment.nodes.addresses,
        *(name for name in nodes if name != "local"),
        environment.portal.domain,
        *environment.docker.no_proxy,
    ]
    return dict.fromkeys(name for name in named if name)


def _indent(text: str) -> str | int:
    """As the file has it."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else 2
