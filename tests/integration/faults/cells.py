"""A step with a proxy before one of the things it needs."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.environment import Environment
from tasks.core.site import Site
from tasks.core.tasks import unrecorded
from tasks.steps.tasks import STEPS
from tests.integration.faults.proxy import Proxy

# As the defaults, ten times as fast: what is away for 2 s stands for 20 s. At 1 what is printed are
# the figures of docs/reliability.md.
SCALE = float(os.environ.get("FAULTS_SCALE") or 0.1)
RETRIES = {"attempts": 5, "first_s": 2 * SCALE, "longest_s": 30 * SCALE}
AWAY_S = 20 * SCALE
# What one attempt may take that nobody answers, with the limits of the tests.
HANGS_S = 4.0 if SCALE < 1 else 70.0


@dataclass(frozen=True)
class Cell:
    """`name`: how what it needs is called in what is said. `undo` makes its work again due."""

    site: Site
    step: str
    proxy: Proxy
    name: str
    undo: Callable[[], object] = lambda: None

    def run(self) -> list[str]:
        """What the step changed."""
        self.undo()
        outcome = unrecorded(STEPS[self.step], self.site)
        return [change.what for change in outcome.changes] if outcome else []


def given(base: Site, **sections: Any) -> Site:
    """An environment of platform external with the servers of `base`, and other values of keys."""
    external = {"platform": {"kind": "external"}, "images": {"source": "rehearsal"}}
    return changed(base, **{**external, **sections})


def changed(base: Site, **sections: Any) -> Site:
    """The site with other values of keys, whose steps are tried again soon."""
    tree = base.environment.model_dump()
    nodes = {"retries": RETRIES, **sections.pop("nodes", {})}
    for name, values in {"nodes": nodes, **sections}.items():
        tree[name] = {**tree[name], **values}
    return Site(Environment.model_validate(tree), base.release, base.secrets)
