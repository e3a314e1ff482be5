"""An old web stays for an hour: pages that people have open ask it for their files."""

import time
from collections.abc import Sequence
from datetime import datetime

from clients.docker_objects import KEPT, Container
from config.release import Service
from tasks.core.site import Site

KEPT_S = 3600.0


def stays(service: Service, old: Container, image: str | None) -> bool:
    """Whether the old one has files that the new image lacks."""
    return bool(service.assets) and image is not None and old.image != image and old.ready


def keep(site: Site, one: Container) -> None:
    """Its name says so; nothing but its files is asked for any more."""
    site.docker.rename(one.id, f"{site.environment.dify.project}-{one.service}{KEPT}")


def over(found: Sequence[Container], now: float) -> tuple[Container, ...]:
    """Those kept beside one that was made more than an hour ago, or beside none.

    `now`: seconds since the epoch.
    """
    began = {one.service: _made(one) for one in found if not one.kept}
    return tuple(c for c in found if c.kept and now - began.get(c.service, 0.0) > KEPT_S)


def over_now(found: Sequence[Container]) -> tuple[Container, ...]:
    return over(found, time.time())


def _made(one: Container) -> float:
    return datetime.fromisoformat(one.created).timestamp() if one.created else 0.0
