"""Pigsty's tree and Ansible on the admin node."""

from collections.abc import Sequence
from typing import Any

from tasks.core.site import Site
from tasks.core.step import Step
from tasks.platforms.pigsty.source import source_steps


def bootstrap_steps(site: Site) -> Sequence[Step[Any]]:
    """What brings Pigsty's tools; other platforms need none."""
    return source_steps(site) if site.environment.platform.kind == "pigsty" else []
