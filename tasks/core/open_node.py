"""From the name of a machine to the node that reaches it."""

import os
from functools import cache

from clients.node import LocalNode, Node
from clients.ssh import Identity, SshNode
from clients.sudo import SudoNode
from config.environment.nodes import LOCAL, Nodes


def open_node(nodes: Nodes, name: str) -> Node:
    """The machine `name` of the environment's `[nodes]`; one connection serves the process."""
    return _opened(name, nodes.sudo, nodes.ssh_config, nodes.ssh_key, nodes.patience)


@cache
def _opened(name: str, sudo: bool, ssh_config: str, ssh_key: str, patience: float) -> Node:
    if name != LOCAL:
        key = _identity(ssh_key)
        return SshNode(name, sudo=sudo, config=ssh_config, identity=key, patience=patience)
    if sudo and os.geteuid() != 0:
        return SudoNode(LOCAL, patience)
    return LocalNode(patience)


def _identity(block: str) -> Identity | None:
    if not block:
        return None
    # Prefect is slow to import, and most environments leave keys to OpenSSH.
    from blocks import ssh_key

    return ssh_key.load(block, "nodes.ssh_key")
