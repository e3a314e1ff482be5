"""The machines commands run on."""

from functools import partial

from clients.command import Command
from clients.node import Node
from tasks.core.open_node import open_node
from tasks.core.site import Site
from tasks.probes.connections.connection import connection
from tasks.probes.engine import Probe

ADVICE = "is it up, and does ssh let us in?"


def nodes(site: Site) -> list[Probe]:
    """Those that get the stack, and those the platform needs."""
    nodes = site.environment.nodes
    keys = dict.fromkeys(nodes.dify, "nodes.dify")
    for name, key in site.platform.machines(site.environment).items():
        keys.setdefault(name, key)
    return [
        connection("node", key, name, partial(_ask, open_node(nodes, name)), ADVICE)
        for name, key in keys.items()
    ]


def _ask(node: Node) -> str:
    who = node.run(Command(("id", "-un"), changes=False)).strip()
    return f"runs our commands as {who}"
