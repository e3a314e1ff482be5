"""The mark of an upgrade beside the environment's data: how far it got, and its way back.

It stays once the upgrade is done, for `rollout rollback`; a restore takes it away.
"""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from config.errors import StepError
from tasks.core import mark
from tasks.core.mark import now
from tasks.core.site import Site

__all__ = ["now"]


class Stage(StrEnum):
    """STOPPING: data is as the point has it, or newer. CHANGING: schema or data may be the new
    release's. BACK: a rollback has begun. DONE: the new release was proved."""

    STOPPING = "stopping"
    CHANGING = "changing"
    BACK = "back"
    DONE = "done"


class Named(BaseModel):
    """A restore point in an archive: its name, when it was set, and where in which timeline."""

    model_config = ConfigDict(frozen=True)

    name: str
    at: datetime
    timeline: int
    place: int


class Upgrade(mark.Mark):
    """An upgrade `old` → `new` from the restore point `point`.

    `proved`: a sentence on the drill of the point. `images`: reference → id, before the upgrade.
    `saved`: the point was taken after the stop, and nothing is newer. `named`: a restore point of
    that moment in the archive of the cluster, where that is the way back. `beside`: both releases
    run at once, and nobody is stopped. `lost`: what people had, and did not have then already.
    """

    old: str
    new: str
    point: str
    proved: str
    images: dict[str, str] = {}
    stage: Stage = Stage.STOPPING
    saved: bool = False
    named: Named | None = None
    beside: bool = False
    lost: list[str] = []

    @property
    def pending(self) -> bool:
        return self.stage is not Stage.DONE

    @property
    def taken(self) -> datetime:
        """When the restore point was taken, which its name says."""
        return datetime.strptime(self.point, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    def to(self, way_back: str) -> Named | None:
        """Where the cluster goes back to, if that is the way back and was prepared."""
        return self.named if way_back == "cluster" else None

    @property
    def unsaved_s(self) -> float:
        """How long people wrote on after the point: what a way back loses."""
        if self.saved or self.named or not (self.stopped and self.point):
            return 0.0
        return (datetime.fromisoformat(self.stopped) - self.taken).total_seconds()


def read(site: Site) -> Upgrade | None:
    """The last upgrade, ended or not; None if there was none, or a restore came after it.

    Raises:
        StepError: the mark cannot be understood, so nobody knows how far an upgrade got.
    """
    damaged = StepError(
        "upgrade",
        f"{_path(site)} is damaged: how far an upgrade got is not known",
        advice=f"rollout restore {site.name} with the point from before it, then delete it",
    )
    return mark.read(site, _path(site), Upgrade, damaged)


def write(site: Site, upgrade: Upgrade, **values: object) -> Upgrade:
    """The upgrade with these values, as it is noted now."""
    return mark.write(site, _path(site), upgrade, **values)


def forget(site: Site) -> None:
    mark.forget(site, _path(site))


def require_none(site: Site) -> None:
    """No upgrade stopped half-way.

    Raises:
        StepError: one did; says how to go on, and how to go back.
    """
    found = read(site)
    if found is None or not found.pending:
        return
    name = site.name
    raise StepError(
        "upgrade",
        f"an upgrade of {name} from Dify {found.old} to {found.new} stopped half-way",
        advice=f"rollout rollback {name} takes it back to {found.point}"
        + (
            ""
            if found.stage is Stage.BACK
            else f"; rollout upgrade {name} --to {found.new} goes on with it"
        ),
    )


def _path(site: Site) -> Path:
    return site.environment.dify.data / ".upgrade.json"
