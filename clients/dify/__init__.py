"""Dify's console and service API, as the releases 0.6 to 1.15 speak it."""

import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from clients.dify.knowledge import Knowledge
from clients.dify.session import DifyError, Pinned, Session, Transport
from clients.dify.workflow import Workflows
from config.release import Api

__all__ = ["Dify", "DifyError"]


@dataclass(frozen=True, slots=True)
class Status:
    """Whether the first account exists, and the version the API says it is, if it does."""

    set_up: bool
    version: str


class Dify:
    """One Dify behind its public URL.

    `verify`: whom to trust. `resolve`: address and port to connect to instead of asking DNS.
    `patience` is taken times the limits of each request.
    """

    def __init__(
        self,
        base_url: str,
        api: Api,
        *,
        verify: ssl.SSLContext | bool = True,
        resolve: tuple[str, int] | None = None,
        transport: httpx.BaseTransport | None = None,
        patience: float = 1.0,
    ) -> None:
        self.session = Session(base_url, api, transport or _transport(verify, resolve), patience)
        self.knowledge = Knowledge(self.session)
        self.workflows = Workflows(self.session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.session.close()

    def status(self) -> Status:
        """How far Dify is. Unlike /health this fails without the database."""
        response = self.session.ask("GET", "/console/api/setup")
        try:
            step = str(response.json()["step"])
        except (ValueError, KeyError, TypeError):
            raise DifyError("GET /console/api/setup", "not the answer of Dify's API", 200) from None
        return Status(step == "finished", response.headers.get("X-Version", ""))

    def page(self, path: str) -> str:
        """The HTML of a page of the web frontend. Raises DifyError if it is anything else."""
        response = self.session.ask("GET", path)
        kind = response.headers.get("content-type", "")
        if not kind.startswith("text/html"):
            raise DifyError(f"GET {path}", f"not a page but {kind or 'of no type'}", 200)
        return response.text

    def setup(
        self, email: str, name: str, password: str, language: str, init_password: str
    ) -> None:
        """Create the first account, through the gate INIT_PASSWORD puts before it."""
        if self.session.json("GET", "/console/api/init")["status"] != "finished":
            gate = {"password": init_password}
            self.session.ask("POST", "/console/api/init", json=gate)
        account = {"email": email, "name": name, "password": password, "language": language}
        self.session.ask("POST", "/console/api/setup", json=account)

    def login(self, email: str, password: str) -> None:
        """What follows is done as this account. Raises DifyError, status 401 if refused."""
        self.session.login(email, password)

    def profile(self) -> dict[str, Any]:
        return dict(self.session.json("GET", "/console/api/account/profile"))

    def model_providers(self) -> int:
        """How many there are. The API asks the plugin daemon, and answers 400 without it."""
        path = "/console/api/workspaces/current/model-providers"
        return len(self.session.json("GET", path)["data"])

    def websocket_id(self) -> str:
        """Id of a session opened by long polling, as a browser does before it upgrades."""
        response = self.session.ask("GET", "/socket.io/", params={"EIO": 4, "transport": "polling"})
        # An Engine.IO packet: type 0 (open), then JSON.
        if not response.text.startswith('0{"sid":'):
            raise DifyError("GET /socket.io/", "the answer is not an Engine.IO session")
        return response.text.split('"')[3]


def _transport(
    verify: ssl.SSLContext | bool, resolve: tuple[str, int] | None
) -> httpx.BaseTransport:
    return Pinned(resolve, verify) if resolve else Transport(verify)
