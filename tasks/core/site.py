"""Everything one run needs to know of one environment, opened once."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import SecretStr

from clients.docker import Docker
from clients.node import Node
from config.desired.nodes import on_node
from config.environment import Environment
from config.load import load_environment, load_release
from config.release import Release
from tasks.core.open_node import open_node
from tasks.core.prefetched import Prefetched
from tasks.core.release_file import Promoted
from tasks.platforms import platform

if TYPE_CHECKING:
    from tasks.platforms.base import Platform


class Site:
    """An environment with its release and secrets, as one of its nodes has them. It never changes.

    `node` is the first that runs Dify, `admin` where Pigsty's tree is. What every node gets
    is done `on_each`; there `environment` and `release` are what that node runs. `promoted`: the
    environment whose release and images this one gets. `adopting`: its domain may be served by
    another Dify until this one is ready.

    A plain class on purpose: Prefect walks into dataclasses and models handed
    to a task; this one it passes through as it is.
    """

    environment: Environment
    release: Release
    secrets: Mapping[str, SecretStr]
    node: Node
    promoted: Promoted | None
    adopting: bool
    prefetched: Prefetched

    def __init__(
        self,
        environment: Environment,
        release: Release,
        secrets: Mapping[str, SecretStr],
        node: Node | None = None,
        *,
        promoted: Promoted | None = None,
        adopting: bool = False,
    ) -> None:
        vars(self).update(
            environment=environment,
            release=release,
            secrets=MappingProxyType(dict(secrets)),
            node=node or open_node(environment.nodes, environment.nodes.dify[0]),
            promoted=promoted,
            adopting=adopting,
            prefetched=Prefetched(),
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a site does not change: {name}")

    def replace(
        self,
        *,
        environment: Environment | None = None,
        release: Release | None = None,
        secrets: Mapping[str, SecretStr] | None = None,
    ) -> "Site":
        """The same site with another of these."""
        return self._of_this_run(
            environment or self.environment,
            release or self.release,
            self.secrets if secrets is None else secrets,
            self.node,
        )

    def _of_this_run(
        self,
        environment: Environment,
        release: Release,
        secrets: Mapping[str, SecretStr],
        node: Node,
    ) -> "Site":
        site = Site(
            environment, release, secrets, node, promoted=self.promoted, adopting=self.adopting
        )
        vars(site)["authorities"] = self.authorities
        return site

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

    @cached_property
    def authorities(self) -> dict[Path, str]:
        """File on the admin node → certificate (PEM), of those that this run has read."""
        return {}

    def on_each(self) -> list["Site"]:
        """A site for each node that runs Dify, the first one first."""
        return self._each

    @cached_property
    def _each(self) -> list["Site"]:
        return [self._on(index) for index in range(len(self.environment.nodes.dify))]

    def _on(self, index: int) -> "Site":
        nodes = self.environment.nodes
        environment, release = on_node(self.environment, self.release, index)
        node = self.node if index == 0 else open_node(nodes, nodes.dify[index])
        site = self._of_this_run(environment, release, self.secrets, node)
        if index == 0:
            vars(site)["docker"] = self.docker  # one connection serves both
        return site

    def within(self, seconds: float) -> float:
        """A built-in limit as this environment has it."""
        return seconds * self.environment.nodes.patience

    def secret(self, name: str) -> str:
        """The clear text, for the one place that hands it to a service."""
        return self.secrets[name].get_secret_value()


def without_secrets(environment: str, release: str = "") -> Site:
    """The environment's site for what needs neither its secrets nor its lock.

    `release`: the one to use instead of what the file says.
    """
    desired = load_environment(environment, release=release)
    return Site(desired, load_release(desired.dify.release), {})
