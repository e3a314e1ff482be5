"""Bring an environment, or a part of it, back to a restore point.

Everything is restored beside what is there, and exchanged by renaming while the stack is down:
until then nothing was touched. What was there is saved once nothing of Dify writes any more, is put
aside and kept, and serves again where the restore fails.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import SecretStr

from config.rules.restore_point import BEFORE_RESTORE, Manifest
from tasks.core import release_file, secrets
from tasks.core.site import Site
from tasks.points import buckets, carried, folders, interrupted_restore, replaced
from tasks.points.backup import OnProgress, silent, take
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
    """What came of it.

    `safety` is the point the state before was saved as, empty if none was; `secrets` came with the
    data and are the environment's from now on.
    """

    manifest: Manifest
    parts: tuple[str, ...]
    safety: str
    notes: tuple[str, ...] = ()
    secrets: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr], repr=False)
    way_back: WayBack | None = field(default=None, repr=False, compare=False)


class Restoring:
    """A restore on its way; its phases are the methods, in their order.

    `own` opens the environment's own repository, for the point of what is there now.
    `keep` saves secrets that came with the data. A plain class for the reason `Site` is one.
    """

    def __init__(
        self,
        site: Site,
        choice: Choice,
        own: Callable[[], Repository],
        *,
        keep: Keep = secrets.keep,
        on_progress: OnProgress = silent,
    ) -> None:
        self._site, self._choice, self._own = site, choice, own
        self._notes = _lost(site, choice)
        folders.mend(site.node, places(site, choice).values())
        if begun := interrupted_restore.pending(site):
            interrupted_restore.require_finishes(site, begun, choice.parts)
        self._landing = Landing(site, choice, on_progress)
        self._served = Served(site)
        self.way_back = WayBack(self._landing, self._served, own, keep, begun)
        self._landing.clear()

    @property
    def parts(self) -> list[str]:
        return self._landing.parts

    def fill(self, part: str) -> None:
        """It is restored beside what is in place."""
        self._landing.fill(part)

    def stop(self) -> None:
        """Nothing of Dify writes any more."""
        self._served.stop()

    def save_current(self) -> str:
        """The point of whatever was written until now."""
        self.way_back.safety = self.way_back.safety or save_current(self._site, self._own)
        return self.way_back.safety

    def exchange(self) -> None:
        """What was restored is in place, and what was there is put aside."""
        self.way_back.begin()
        self._landing.swap()

    def adopt(self) -> Restored:
        """What came is made this environment's own, with the secrets that belong to it."""
        site, choice = self._site, self._choice
        notes = [*self._notes, *self._landing.notes]
        if _cloned(site, choice):
            notes += carried.silence(site)
        if "database" in choice.parts:
            created = choice.manifest.created
            release_file.forget_hand_steps(site.environment, site.node, since=created)
        came = carried.secrets_of(site, choice)
        self.way_back.take_over(came)
        notes += carried.notes(site, choice, came)
        interrupted_restore.end(site)
        safety, parts = self.way_back.safety, choice.parts
        return Restored(choice.manifest, parts, safety, tuple(notes), came, self.way_back)


def one_file(site: Site, choice: Choice) -> Restored:
    """The file is as it was; nothing else is touched."""
    restore_file(site, choice)
    return Restored(choice.manifest, choice.parts, "")


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
