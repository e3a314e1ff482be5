"""What each step of a rollout is made of, and the plan: every step looked at, none applied."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tasks.core.side_by_side import answers
from tasks.core.site import Site
from tasks.core.step import Outcome, Step, converge
from tasks.images.copy_to_nodes import images_steps
from tasks.platforms.pigsty.prefetch import look_ahead
from tasks.steps.bootstrap import bootstrap_steps
from tasks.steps.compose import compose_steps
from tasks.steps.configure import configure_steps
from tasks.steps.docker import docker_steps
from tasks.steps.hosts import hosts_steps
from tasks.steps.install import install_steps
from tasks.steps.migrate import migrate_steps
from tasks.steps.pgsql import pgsql_steps
from tasks.steps.portal import portal_steps
from tasks.steps.redis import redis_steps
from tasks.steps.settings import settings_steps

log = logging.getLogger("rollout")

PARTS: dict[str, Callable[[Site], Sequence[Step[Any]]]] = {
    "bootstrap": bootstrap_steps,
    "configure": configure_steps,
    "install": install_steps,
    "docker": docker_steps,
    "pgsql": pgsql_steps,
    "redis": redis_steps,
    "images": images_steps,
    "settings": settings_steps,
    "migrate": migrate_steps,
    "compose": compose_steps,
    "portal": portal_steps,
    "hosts": hosts_steps,
}


def carry_out(site: Site, name: str, *, dry_run: bool = False) -> Outcome:
    """Bring one step's parts, in order, to where they should be."""
    total = Outcome(name, (), 0.0, applied=False)
    for part in PARTS[name](site):
        total += converge(part, dry_run=dry_run)
    verb = "would change" if dry_run else "changed"
    log.info("%s: %d %s, %.1f s", name, len(total.changes), verb, total.seconds)
    return total


def plan(site: Site, *, only: Sequence[str]) -> list[Outcome]:
    """What a rollout would change, in the order of the steps.

    All look at once: where nothing is applied, no step changes what another one sees.

    Raises:
        RolloutError: the first failure, in the order of the steps.
    """
    look_ahead(site, only)
    wanted = [name for name in PARTS if not only or name in only]
    return answers(partial(carry_out, site, dry_run=True), wanted, len(PARTS))
