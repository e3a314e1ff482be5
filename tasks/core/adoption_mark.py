"""The mark of an adoption beside the environment's data: how far it got, and its way back.

It stays once the other Dify is taken over, for `rollout adopt ENV --back`, until `--finish`.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from config.errors import StepError
from tasks.core import mark
from tasks.core.mark import now
from tasks.core.site import Site

__all__ = ["now"]


class Stage(StrEnum):
    """BEGUN: the other Dify may be stopped. DONE: this environment serves what it served."""

    BEGUN = "begun"
    DONE = "done"


class Adoption(mark.Mark):
    """The Dify of a compose project, taken over by this environment.

    `point`: the restore point of it as it was, `proved` a sentence on its drill. `restarts`: name
    of each container that ran → the policy by which its engine started it again. `keep_days`: how
    long the way back is kept at least. `own`: services of the Dify that the environment had itself
    and that served until then. `own_point`: the restore point of that one, from when its data is
    replaced until it is back.
    """

    project: str
    folder: str
    version: str
    point: str
    proved: str
    restarts: dict[str, str]
    keep_days: int
    own: tuple[str, ...] = ()
    own_point: str = ""
    stage: Stage = Stage.BEGUN

    @property
    def pending(self) -> bool:
        return self.stage is Stage.BEGUN

    @property
    def kept_until(self) -> datetime:
        """Of one that is done."""
        return datetime.fromisoformat(self.opened) + timedelta(days=self.keep_days)


def read(site: Site) -> Adoption | None:
    """The adoption that goes on or was done; None if there is none, or it was gone back from.

    Raises:
        StepError: the mark cannot be understood.
    """
    damaged = StepError(
        "adopt",
        f"{_path(site)} is damaged: how far an adoption got is not known",
        advice="start the other Dify by its own compose file, then delete that file",
    )
    return mark.read(site, _path(site), Adoption, damaged)


def write(site: Site, adoption: Adoption, **values: object) -> Adoption:
    """The adoption with these values, as it is noted now."""
    return mark.write(site, _path(site), adoption, **values)


def forget(site: Site) -> None:
    mark.forget(site, _path(site))


def own_replaced(site: Site, point: str) -> None:
    """From now on only this point is what the environment's own Dify had, if it had one.

    A run that goes on with the adoption replaces what is somebody else's already.
    """
    found = read(site)
    if found and found.pending and found.own and not found.own_point:
        write(site, found, own_point=point)


def own_is_back(site: Site, point: str) -> None:
    """What serves is the state of this point again."""
    found = read(site)
    if found and found.own_point == point:
        write(site, found, own_point="")


def require_none(site: Site) -> None:
    """No adoption stopped half-way.

    Raises:
        StepError: one did; says how to go on, and how to go back.
    """
    found = read(site)
    if found is None or not found.pending:
        return
    raise StepError(
        "adopt",
        f"an adoption of the Dify in {found.folder} by {site.name} stopped half-way",
        advice=f"rollout adopt {site.name} goes on with it; rollout adopt {site.name} --back "
        "starts that Dify again",
    )


def _path(site: Site) -> Path:
    return site.environment.dify.data / ".adoption.json"
