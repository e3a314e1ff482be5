"""Pigsty itself is installed."""

from collections.abc import Sequence
from typing import Any

from tasks.core.site import Site
from tasks.core.step import Step
from tasks.platforms.pigsty.infra import infra_steps


def install_steps(site: Site) -> Sequence[Step[Any]]:
    """What installs Pigsty where it is not; other platforms need none."""
    return infra_steps(site) if site.environment.platform.kind == "pigsty" else []
