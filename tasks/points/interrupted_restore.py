"""The mark of an exchange that has begun: until it ends, files and database are of two times."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clients.command import Command
from clients.files import File
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.verified_mark import unmark


@dataclass(frozen=True, slots=True)
class Exchange:
    """A restore that has begun to put `parts` in place.

    `what`: the point, or the moment. `safety`: the point that holds what was there before it
    began. `finish`: the command that ends it. `history`: the timelines of a cluster that goes back.
    """

    what: str
    parts: tuple[str, ...]
    safety: str
    finish: str
    history: str = ""


def begin(site: Site, exchange: Exchange) -> None:
    """From here on nothing counts as proved."""
    unmark(site)
    content = json.dumps(asdict(exchange)).encode()
    site.node.write(File(_mark(site), content, 0o600, keep_previous=False))


def end(site: Site) -> None:
    site.node.run(Command(("rm", "-f", str(_mark(site)))))


def pending(site: Site) -> Exchange | None:
    """The exchange that began and did not end."""
    content = site.node.read(_mark(site))
    if content is None:
        return None
    found: dict[str, Any] = json.loads(content)
    found["parts"] = tuple(found["parts"])
    return Exchange(**found)


def require_ended(site: Site) -> None:
    """No restore stopped half-way.

    Raises:
        StepError: one did; says how to finish it.
    """
    if begun := pending(site):
        raise _unfinished(site, begun)


def require_finishes(site: Site, begun: Exchange, parts: Sequence[str]) -> None:
    """Restoring these parts replaces everything the exchange may have replaced.

    Raises:
        StepError: it leaves some of it.
    """
    if not set(begun.parts) <= set(parts):
        raise _unfinished(site, begun)


def _unfinished(site: Site, begun: Exchange) -> StepError:
    return StepError(
        "restore",
        f"a restore of {site.name} to {begun.what} stopped while it exchanged files and "
        "databases: they may be of two times",
        advice=f"finish it first: {begun.finish}",
    )


def _mark(site: Site) -> Path:
    return site.environment.dify.data / ".exchange.json"
