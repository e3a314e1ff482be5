"""From the name of a machine to the node that reaches it."""

import os
from functools import cache

from blocks.node import LocalNode, Node
from blocks.ssh import SshNode
from blocks.sudo import SudoNode
from config.environment import LOCAL, Nodes


def open_node(nodes: Nodes, name: str) -> Node:
    """The machine `name` of the environment's `[nodes]`; one connection serves the process."""
    return _opened(name, nodes.sudo, nodes.ssh_config)


@cache
def _opened(name: str, sudo: bool, ssh_config: str) -> Node:
    if name != LOCAL:
        return SshNode(name, sudo=sudo, config=ssh_config)
    return SudoNode(LOCAL) if sudo and os.geteuid() != 0 else LocalNode()
