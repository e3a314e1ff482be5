"""Everything one run needs to know of one environment, opened once."""

from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from clients.docker import Docker
from clients.node import Node
from config.desired.nodes import on_node
from config.environment import Environment
from config.load import load_environment, load_release
from config.release import Release
from tasks.core.open_node import open_node
from tasks.core.release_file import Promoted
from tasks.platforms import platform

if TYPE_CHECKING:
    from tasks.platforms.base import Platform


class Site:
    """An environment with its release and secrets, as one of its nodes has them.

    `node` is the first that runs Dify, `admin` where Pigsty's tree is. What every node gets
    is done `on_each`; there `environment` and `release` are what that node runs. `promoted`: the
    environment whose release and images this one gets. `ahead`: files of machines that are slow
    to ask (address, path → content), while no change has made them old.

    A plain class on purpose: Prefect walks into dataclasses and models handed
    to a task; this one it passes through as it is.
    """

    def __init__(
        self,
        environment: Environment,
        release: Release,
        secrets: dict[str, SecretStr],
        node: Node | None = None,
    ) -> None:
        self.environment = environment
        self.release = release
        self.secrets = secrets
        self.promoted: Promoted | None = None
        self.ahead: Future[dict[tuple[str, Path], bytes | None]] | None = None
        self.node: Node = node or open_node(environment.nodes, environment.nodes.dify[0])

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def platform(self) -> "Platform":
        return platform(self.environment)

    @cached_property
    def admin(self) -> Node:
        return open_node(self.environment.nodes, self.environment.nodes.admin)

    @cached_property
    def docker(self) -> Docker:
        return Docker(self.node)

    def on_each(self) -> list["Site"]:
        """A site for each node that runs Dify, the first one first."""
        for site in self._each:
            site.promoted = self.promoted
        return self._each

    @cached_property
    def _each(self) -> list["Site"]:
        return [self._on(index) for index in range(len(self.environment.nodes.dify))]

    def _on(self, index: int) -> "Site":
        nodes = self.environment.nodes
        environment, release = on_node(self.environment, self.release, index)
        node = self.node if index == 0 else open_node(nodes, nodes.dify[index])
        site = Site(environment, release, self.secrets, node)
        if index == 0:
            site.docker = self.docker
        return site

    def within(self, seconds: float) -> float:
        """A built-in limit as this environment has it."""
        return seconds * self.environment.nodes.patience

    def secret(self, name: str) -> str:
        """The clear text, for the one place that hands it to a service."""
        return self.secrets[name].get_secret_value()


def without_secrets(environment: str) -> Site:
    """The environment's site for what needs neither its secrets nor its lock."""
    desired = load_environment(environment)
    return Site(desired, load_release(desired.dify.release), {})
