"""A restore as its flow does it, without a Prefect server and without a rollout around it."""

from collections.abc import Callable
from typing import Any

from flows.parts.graph import Graph
from flows.parts.restored import restored
from tasks.core.site import Site
from tasks.points.choice import Choice
from tasks.points.repository import Repository
from tasks.points.restore import Restored, Restoring, one_file


def restore(site: Site, choice: Choice, own: Callable[[], Repository], **options: Any) -> Restored:
    """What came of it: the parts are the environment's, and the stack is down."""
    if choice.file:
        return one_file(site, choice)
    return restored(Graph(site), Restoring(site, choice, own, **options))
