"""What follows once state is where it should be: settings, schema, services, portal, proof."""

from collections.abc import Callable

from config.rules.finding import Finding
from flows.parts.graph import Graph
from tasks.steps import tasks
from tasks.steps.table import STACK

BeforeOpen = Callable[[Graph], object]


def second_half(graph: Graph, before_open: BeforeOpen | None = None) -> list[Finding]:
    """The checks of what runs now; only then is a page of maintenance taken away.

    One step after the other, here: a cancel has ended the one that ran when what served before is
    brought back. `before_open`: what is to be noted before people can write.
    """
    for name in STACK:
        graph.run(tasks.STEPS[name], **({"closed": True} if name == "portal" else {}))
    checks = graph.run(tasks.verify, changed=True)
    if before_open:
        before_open(graph)
    graph.run(tasks.reopen_portal)
    return checks
