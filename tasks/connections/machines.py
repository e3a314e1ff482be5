"""The machines commands run on."""

from functools import partial

from blocks.command import Command
from blocks.node import Node
from blocks.nodes import open_node
from tasks.connections.connection import Connection
from tasks.site import Site


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
