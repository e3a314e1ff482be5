"""Everything one run needs to know of one environment, opened once."""

from pydantic import SecretStr

from blocks.node import LocalNode, Node
from config.environment import Environment
from config.release import Release


class Site:
    """An environment with its release, secrets and node.

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
        self.node: Node = node or LocalNode()

    @property
    def name(self) -> str:
        return self.environment.name

    def secret(self, name: str) -> str:
        """The clear text, for the one place that hands it to a service."""
        return self.secrets[name].get_secret_value()
