"""A mark beside an environment's data: how far work got that may be killed, as JSON."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from clients.command import Command
from clients.files import File
from config.errors import StepError
from tasks.core.site import Site


class Mark(BaseModel):
    """`stopped`, `opened`: when nobody could use Dify any more, and when people could again.

    ISO 8601, empty until then.
    """

    model_config = ConfigDict(frozen=True)

    stopped: str = ""
    opened: str = ""

    @property
    def downtime_s(self) -> float:
        """Seconds that nobody could use Dify; 0 before people can again."""
        if not (self.stopped and self.opened):
            return 0.0
        span = datetime.fromisoformat(self.opened) - datetime.fromisoformat(self.stopped)
        return span.total_seconds()


M = TypeVar("M", bound=Mark)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(site: Site, path: Path, kind: type[M], damaged: StepError) -> M | None:
    """The mark in the file; None where there is none.

    Raises:
        StepError: `damaged`, where the mark cannot be understood.
    """
    content = site.node.read(path)
    if content is None:
        return None
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise damaged from None


def write(site: Site, path: Path, mark: M, **values: object) -> M:
    """The mark with these values, as the file has it now."""
    changed = mark.model_copy(update=values)
    content = changed.model_dump_json(indent=2).encode() + b"\n"
    site.node.write(File(path, content, 0o600, keep_previous=False))
    return changed


def forget(site: Site, path: Path) -> None:
    site.node.run(Command(("rm", "-f", str(path))))
