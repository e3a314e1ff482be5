"""Docker Engine of a node: the connection through its socket, and why there is none."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Any, cast

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from requests import HTTPError, Request, RequestException

from clients.command import Command
from clients.node import LocalNode, Node
from config.errors import Unreachable

# How long an engine may take to say that it is there, and to do what it is asked.
ANSWERS_WITHIN_S = 20
WORKS_WITHIN_S = 600
OWN = "unix:///var/run/docker.sock"
_NOT_RUNNING = ("FileNotFoundError", "Connection refused", "No such file", "Cannot connect")


class DockerUnusable(Unreachable):
    """Docker Engine does not answer; says why and what to do."""


class Engine:
    """A client that connects when it is first asked something; without a node, to this machine."""

    def __init__(self, node: Node | None = None) -> None:
        self.node: Node = node or LocalNode()

    @cached_property
    def client(self) -> Any:
        within_s = round(ANSWERS_WITHIN_S * self.node.patience)
        try:
            if url := self.node.docker_url():
                made = docker.DockerClient(base_url=url, timeout=within_s)
            else:
                made = _chosen(within_s)
        except DockerException as error:
            raise DockerUnusable(self._why(error)) from None
        # No proxy leads to a socket, and looking for one takes as long as the request itself.
        made.api.timeout = round(WORKS_WITHIN_S * self.node.patience)
        made.api.trust_env = not str(made.api.base_url).startswith("http+docker://")
        return made

    def trouble(self) -> str | None:
        """Why the engine cannot be used, None if it can."""
        try:
            api = self.client.api
            within_s = ANSWERS_WITHIN_S * self.node.patience
            api.get(self._url("/_ping"), timeout=within_s).raise_for_status()
        except DockerUnusable as error:
            return str(error)
        except (DockerException, OSError) as error:
            return self._why(error)
        return None

    def version(self) -> str:
        return str(self.client.version()["Version"])

    def product(self) -> str:
        """What answers, as it calls itself, like `Engine`; empty of one that does not say it."""
        parts: Any = self.client.version().get("Components") or [{}]
        return str(parts[0].get("Name", ""))

    def info(self) -> dict[str, Any]:
        """What the engine says of itself and its settings."""
        return cast(dict[str, Any], self.client.info())

    def _get(self, path: str, **asked: int | str) -> bytes:
        """The engine's answer, by a session that looks for no proxy, cookie or login each time."""
        api = self.client.api
        request = Request("GET", self._url(path), params=asked)
        with api.send(request.prepare(), timeout=api.timeout, proxies={}) as response:
            response.raise_for_status()
            return cast(bytes, response.content)

    def _found(self, path: str) -> bytes | None:
        """The engine's answer, None if it knows no such thing."""
        try:
            return self._get(path)
        except HTTPError as error:
            if error.response is None or error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _url(self, path: str) -> str:
        api = self.client.api
        return f"{api.base_url}/v{api.api_version}{path}"

    @contextmanager
    def _asked(self) -> Generator[None]:
        """A request that breaks off is an error that names the engine, or the way to it."""
        try:
            yield
        except RequestException as error:
            raise DockerUnusable(self._why(error)) from None

    def _why(self, error: Exception) -> str:
        text, where = str(error), chosen_place().removeprefix("unix://")
        if self.node.docker_url():
            # From here only an end is seen; there the engine's client says why.
            asked = Command(("docker", "version", "--format", "{{.Server.Version}}"), changes=False)
            text, where = self.node.attempt(asked).stderr.strip(), self.node.name
        if "permission denied" in text.lower():
            return f"Docker Engine refuses this user at {where}; add it to the group docker"
        if "not found" in text:
            return f"Docker is not installed at {where}"
        if any(words in text for words in _NOT_RUNNING):
            return f"Docker Engine is not running (nothing answers at {where})"
        return f"Docker Engine does not answer at {where}: {text or 'it broke off'}"


def chosen_place() -> str:
    """Where this machine's engine is asked, as the command docker has it.

    Raises:
        DockerUnusable: its current context is not to be found.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host
    context: Any = ContextAPI.get_current_context()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if context is None:
        raise DockerUnusable(
            "the current context of the command docker is not to be found; "
            "choose one: docker context use default"
        )
    return OWN if context.Name == "default" else str(context.Host)


def _chosen(within_s: int) -> Any:
    """A client of it; a context may have certificates of its own."""
    place = chosen_place()
    if os.environ.get("DOCKER_HOST") or place == OWN:
        return docker.from_env(timeout=within_s)
    context: Any = ContextAPI.get_current_context()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return docker.DockerClient(base_url=place, tls=context.TLSConfig or False, timeout=within_s)
