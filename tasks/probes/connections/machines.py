"""The machines commands run on."""

from functools import partial

from clients.command import Command
from clients.node import Node
from tasks.core.open_node import open_node
from tasks.core.site import Site
from tasks.probes.connections.connection import Connection


def nodes(site: Site) -> list[Connection]:
    """Those that get the stack, and where Pigsty's tree is."""
    nodes = site.environment.nodes
    keys = dict.fromkeys(nodes.dify, "nodes.dify")
    if site.environment.platform.kind == "pigsty":
        keys.setdefault(nodes.admin, "nodes.admin")
    return [
        Connection("node", key, name, partial(_ask, open_node(nodes, name)))
        for name, key in keys.items()
    ]


def _ask(node: Node) -> str:
    who = node.run(Command(("id", "-un"), changes=False)).strip()
    return f"runs our commands as {who}"
