"""Pigsty's inventory says what Dify needs."""

from collections.abc import Sequence
from typing import Any

from tasks.core.site import Site
from tasks.core.step import Step
from tasks.platforms.pigsty.inventory import inventory_steps


def configure_steps(site: Site) -> Sequence[Step[Any]]:
    """What brings pigsty.yml to say it; other platforms have no such file."""
    return inventory_steps(site) if site.environment.platform.kind == "pigsty" else []
