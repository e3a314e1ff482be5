"""Bring an environment, or a part of it, back to a restore point.

Everything is restored beside what is there, and exchanged by renaming while the stack is down:
until then nothing was touched. What was there is saved once nothing of Dify writes any more, is put
aside and kept, and serves again where the restore fails.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config.rules.restore_point import BEFORE_RESTORE, Manifest
from tasks.core import release_file, secrets
from tasks.core.site import Site
from tasks.points import buckets, folders, interrupted_restore, replaced
from tasks.points.backup import OnProgress, silent, take
from tasks.points.carried import adopt, silence
from tasks.points.choice import Choice, places
from tasks.points.landing import Landing
from tasks.points.one_file import restore_file
from tasks.points.repository import Repository
from tasks.points.served import Served
from tasks.points.way_back import Keep, WayBack
from tasks.steps import revisions

log = logging.getLogger("rollout")

DATABASE_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it. `safety` is the point the state before was saved as, empty if none was."""

    manifest: Manifest
    parts: tuple[str, ...]
    safety: str
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()
    way_back: WayBack | None = field(default=None, repr=False, compare=False)


def restore(
    site: Site,
    choice: Choice,
    own: Callable[[], Repository],
    *,
    keep: Keep = secrets.keep,
    on_progress: OnProgress = silent,
) -> Restored:
    """The parts are the environment's, and the stack is down.

    `own` opens the environment's own repository, for the point of what is there now.
    `keep` saves secrets that came with the data.

    Raises:
        StepError: what went wrong; what served before serves again.
    """
    clock = _Clock()
    if choice.file:
        restore_file(site, choice)
        clock.lap("restore")
        return Restored(choice.manifest, choice.parts, "", clock.laps)
    notes = _lost(site, choice)
    folders.mend(site.node, places(site, choice).values())
    if begun := interrupted_restore.pending(site):
        interrupted_restore.require_finishes(site, begun, choice.parts)
    landing = Landing(site, choice, on_progress)
    served = Served(site)
    way_back = WayBack(landing, served, own, keep, begun)
    try:
        landing.fill()
        clock.lap("restore")
        # Whatever is written until now is in the point: nothing of Dify writes any more.
        served.stop()
        way_back.safety = way_back.safety or save_current(site, own)
        clock.lap("safety point")
        way_back.begin()
        landing.swap()
        notes += [*landing.notes, *_own(site, choice, keep)]
        interrupted_restore.end(site)
    except BaseException as error:
        if (said := way_back.failed(error)) is not error:
            raise said from None
        raise
    clock.lap("exchange")
    return Restored(
        choice.manifest, choice.parts, way_back.safety, clock.laps, tuple(notes), way_back
    )


def _own(site: Site, choice: Choice, keep: Keep) -> Iterator[str]:
    """What came is made this environment's own; notes on it."""
    if _cloned(site, choice):
        yield from silence(site)
    if "database" in choice.parts:
        release_file.forget_hand_steps(site.environment, site.node, since=choice.manifest.created)
        yield from adopt(site, choice, keep)


def settle(site: Site) -> str:
    """The restored state is proved: what it replaced is kept as long as the environment says.

    The sentence that names it.
    """
    return replaced.keep(site, datetime.now(UTC))


def save_current(site: Site, own: Callable[[], Repository]) -> str:
    """The point the state that is about to be replaced was saved as, empty if there is none.

    Raises:
        PostgresUnreachable, PostgresRefused: whether there is some could not be asked.
    """
    if revisions.in_database(site, site.within(DATABASE_WITHIN_S)) is None:
        return ""
    point = take(site, own(), reason=BEFORE_RESTORE, on_progress=silent).point
    log.info("restore: what is there now is saved as %s", point)
    return point


def _lost(site: Site, choice: Choice) -> list[str]:
    """Which objects of the point neither it nor the bucket has."""
    notes: list[str] = []
    for name in buckets.buckets(site):
        listed = choice.manifest.has(name + buckets.LISTING)
        if "database" not in choice.parts or choice.manifest.has(name) or not listed:
            continue
        wanted = choice.repository.listing(choice.manifest, name + buckets.LISTING)
        missing, _ = buckets.lacking(wanted, buckets.listing(site, name).objects)
        if missing:
            notes.append(
                f"{len(missing)} of {len(wanted.objects)} objects of {choice.point.id} are not in "
                f"{buckets.buckets(site)[name]}, and the point has only their list: {missing[0]}"
            )
            log.warning("restore: %s", notes[-1])
    return notes


def _cloned(site: Site, choice: Choice) -> bool:
    return choice.source != site.name and "database" in choice.parts


class _Clock:
    """Seconds between one lap and the next."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._since, 2)
        self._since = now
