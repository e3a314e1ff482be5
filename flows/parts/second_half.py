"""What follows once state is where it should be: settings, schema, services, portal, proof."""

from config.rules.finding import Finding
from flows.parts.graph import Graph
from tasks.steps import tasks
from tasks.steps.table import STACK


def second_half(graph: Graph) -> list[Finding]:
    """The checks of what runs now; only then is a page of maintenance taken away.

    One step after the other, here: a cancel has ended the one that ran when what served before is
    brought back.
    """
    for name in STACK:
        graph.run(tasks.STEPS[name], **({"closed": True} if name == "portal" else {}))
    checks = graph.run(tasks.verify, changed=True)
    graph.run(tasks.reopen_portal)
    return checks
