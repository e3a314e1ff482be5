"""From the name of a machine to the node that reaches it."""

from functools import cache

from blocks.node import LocalNode, Node
from config.environment import LOCAL, Nodes
from config.errors import ConfigError


def open_node(nodes: Nodes, name: str) -> Node:
    """The machine `name` of the environment's `[nodes]`; one connection serves the process."""
    return _opened(name, nodes.sudo, nodes.ssh_config)


@cache
def _opened(name: str, sudo: bool, ssh_config: str) -> Node:
    if name == LOCAL:
        return LocalNode()
    raise ConfigError([f"nodes: {name}, {sudo}, {ssh_config}: only 'local' is supported"])
