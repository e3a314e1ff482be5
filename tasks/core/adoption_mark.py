"""The mark of an adoption beside the environment's data: how far it got, and its way back.

It stays once the other Dify is taken over, for `rollout adopt ENV --back`, until `--finish`.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from clients.command import Command
from clients.files import File
from config.errors import StepError
from tasks.core.site import Site


class Stage(StrEnum):
    """BEGUN: the other Dify may be stopped. DONE: this environment serves what it served."""

    BEGUN = "begun"
    DONE = "done"


class Adoption(BaseModel):
    """The Dify of a compose project, taken over by this environment.

    `point`: the restore point of it as it was, `proved` a sentence on its drill. `restarts`: name
    of each container that ran → the policy by which its engine started it again. `keep_days`: how
    long the way back is kept at least. `stopped`, `opened`: since when nobody could use it, and
    when people could again; ISO 8601, empty until then.
    """

    model_config = ConfigDict(frozen=True)

    project: str
    folder: str
    version: str
    point: str
    proved: str
    restarts: dict[str, str]
    keep_days: int
    stage: Stage = Stage.BEGUN
    stopped: str = ""
    opened: str = ""

    @property
    def pending(self) -> bool:
        return self.stage is Stage.BEGUN

    @property
    def away_s(self) -> float:
        """Seconds that nobody could use Dify; 0 before people can again."""
        if not (self.stopped and self.opened):
            return 0.0
        span = datetime.fromisoformat(self.opened) - datetime.fromisoformat(self.stopped)
        return span.total_seconds()

    @property
    def kept_until(self) -> datetime:
        """Of one that is done."""
        return datetime.fromisoformat(self.opened) + timedelta(days=self.keep_days)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(site: Site) -> Adoption | None:
    """The adoption that goes on or was done; None if there is none, or it was gone back from.

    Raises:
        StepError: the mark cannot be understood.
    """
    content = site.node.read(_path(site))
    if content is None:
        return None
    try:
        return Adoption.model_validate_json(content)
    except ValidationError:
        raise StepError(
            "adopt",
            f"{_path(site)} is damaged: how far an adoption got is not known",
            advice="start the other Dify by its own compose file, then delete that file",
        ) from None


def write(site: Site, adoption: Adoption, **values: object) -> Adoption:
    """The adoption with these values, as it is noted now."""
    changed = adoption.model_copy(update=values)
    content = changed.model_dump_json(indent=2).encode() + b"\n"
    site.node.write(File(_path(site), content, 0o600, keep_previous=False))
    return changed


def forget(site: Site) -> None:
    site.node.run(Command(("rm", "-f", str(_path(site)))))


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
