"""A proxy for the web, as a node goes through it."""

from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from clients import curl
from clients.node import LocalNode, Node
from config.errors import Passing, Refusal, RolloutError

TIMEOUT_S = 10.0


class ProxyUnreachable(RolloutError, Passing):
    """Nobody answered: asking again may help."""


class ProxyRefused(RolloutError, Refusal):
    """The proxy answered and does not let us through: asking again changes nothing."""


@dataclass(frozen=True, slots=True)
class WebProxy:
    """Where it is, and as whom to go through it; without a password as nobody."""

    url: str
    user: str = ""
    password: SecretStr | None = None
    node: Node = field(default_factory=LocalNode)

    @classmethod
    def of(cls, url: str, node: Node) -> "WebProxy":
        """The proxy of a URL that may hold a user and a password, which `url` then does not."""
        parts = urlsplit(url)
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        password = SecretStr(unquote(parts.password)) if parts.password else None
        return cls(bare, unquote(parts.username or ""), password, node)

    def check(self, target: str) -> str:
        """Go through it to the URL `target`; what answered.

        Raises:
            ProxyUnreachable: no answer.
            ProxyRefused: it wants another login, or does not let us there.
        """
        request = {"url": target, "proxy": self.url, "noproxy": ""}
        if self.password:
            request["proxy-user"] = f"{self.user}:{self.password.get_secret_value()}"
        where = urlsplit(target).netloc
        try:
            answer = curl.ask(self.node, request, TIMEOUT_S)
        except curl.NoAnswer as error:
            raise ProxyUnreachable(f"no way to {where} through {self.url}: {error}") from None
        said = answer.connect or answer.status
        if HTTPStatus.PROXY_AUTHENTICATION_REQUIRED in (answer.connect, answer.status):
            who = f"the login of {self.user}" if self.password else "us without a login"
            raise ProxyRefused(f"the proxy {self.url} does not take {who}")
        if answer.connect >= HTTPStatus.BAD_REQUEST or said >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ProxyRefused(f"the proxy {self.url} does not lead to {where}: it says {said}")
        return f"{where} answers through it"
