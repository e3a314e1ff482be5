"""What a platform answers: who runs an environment's state and portal, and how that is asked.

A platform is one folder here, with its `PLATFORM` in `platform.py`, and one word in
`config.environment.platform.Kind`. What it does not say is as on given servers: nothing of the
state is made, somebody else serves the domain.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from clients.postgres import Connection
from clients.processes import Process
from config.environment import Environment
from config.rules.finding import Reading
from config.rules.restore_point import Archived
from tasks.core.site import Site
from tasks.core.step import Step

Build = Callable[[Site], Sequence[Step[Any]]]
Address = tuple[str, int]


class Included(Protocol):
    """A file that the portal's server includes where it exists."""

    @property
    def passing(self) -> Sequence[str]:
        """Addresses that requests of the portal's own machine come from."""
        ...

    def is_included(self) -> bool:
        """Whether there is a server of the domain that includes it."""
        ...

    def read(self) -> bytes | None: ...
    def write(self, content: bytes | None) -> None:
        """The file has this content; None: there is none."""
        ...

    def load(self) -> None:
        """Have nginx try its files and read them; nothing where it does not run.

        Raises:
            StepError: it refuses them, and serves on as before.
        """
        ...


class Platform(Protocol):
    """One kind of platform. It keeps no state: every question names the site it is about."""

    @property
    def steps(self) -> Mapping[str, Build]:
        """Name of a step → what makes its parts; a step without an entry has none here."""
        ...

    @property
    def marks_machines(self) -> bool:
        """Whether a machine carries the name of the environment it belongs to."""
        ...

    @property
    def keeps_every_moment(self) -> bool:
        """Whether the state can go back to any moment, and not only to restore points."""
        ...

    def prepare(self, site: Site) -> None:
        """The directory everything of the platform lies in exists, if there is one."""
        ...

    def prefetch(self, site: Site, only: Sequence[str]) -> None:
        """Slow questions of the steps `only` (none: of all) begin to be asked."""
        ...

    def stop(self, site: Site) -> list[str]:
        """End the servers this platform runs on the machine; the names of those it has."""
        ...

    def folder(self, environment: Environment) -> Path | None:
        """The directory that holds all of the platform's state, None if it lies elsewhere."""
        ...

    def ports(self, environment: Environment) -> dict[str, int]:
        """Setting → port, of those the platform's own servers open on the node."""
        ...

    def runs(self, environment: Environment, process: Process) -> bool:
        """Whether the process is one of the platform's own servers."""
        ...

    def preflight(self, site: Site) -> list[Reading]:
        """What of the platform stands in the way of a rollout. Only reads."""
        ...

    def preflight_on(self, node: Site) -> list[Reading]:
        """The same, asked from one node that runs Dify."""
        ...

    def machines(self, environment: Environment) -> dict[str, str]:
        """Machine → the setting that names it, of those only the platform needs."""
        ...

    def administrator(self, site: Site, database: str) -> AbstractContextManager[Connection]:
        """A connection as the database administrator.

        Raises:
            PostgresUnreachable, PostgresRefused: as `Postgres.connect`.
            StepError: the administrator may not do what was asked.
        """
        ...

    def administered(self, site: Site) -> bool:
        """Whether there is an administrator, so that databases can be made and dropped."""
        ...

    def postgres_absent(self, site: Site) -> bool:
        """Whether there is surely no PostgreSQL yet; one that does not answer is not absent."""
        ...

    def databases_with(self, site: Site, tables: Mapping[str, str]) -> list[str]:
        """Of these databases, each → a table, those that have it; the administrator is asked.

        Where there is none, or nobody answers, there are none.
        """
        ...

    def databases_of(self, site: Site, role: str) -> list[str]:
        """The databases a role owns or is connected to now; asked as `databases_with` is."""
        ...

    def serving(self, site: Site) -> Mapping[str, Sequence[str]]:
        """File by which the portal of the platform serves the domain already → where it leads."""
        ...

    def domain_back(self, site: Site) -> Sequence[Step[Any]]:
        """What gives the domain back to the Dify from which an adoption took it."""
        ...

    def domain_kept(self, site: Site) -> Sequence[Step[Any]]:
        """What removes that by which this Dify had served the domain."""
        ...

    def postgres_host(self, environment: Environment) -> str:
        """Where this process reaches PostgreSQL."""
        ...

    def postgres_programs(self, site: Site) -> list[Path]:
        """Folders with PostgreSQL's client programs that come with the platform."""
        ...

    def replicas(self, environment: Environment) -> int:
        """How many replicas the PostgreSQL cluster should have."""
        ...

    def archived(self, site: Site, point: str) -> Archived | None:
        """Where the archive of every moment is at the restore point; None without one."""
        ...

    def portal(self, site: Site, port: int) -> Address | None:
        """Where the portal's `port` is reached, None to ask DNS."""
        ...

    def included(self, site: Site) -> Included | None:
        """What the portal's server also reads; None where the portal takes nothing from here."""
        ...

    def authority(self, site: Site) -> bytes | None:
        """The certificate of the authority that signs the portal's; None: a public one."""
        ...

    def private_authority(self, site: Site) -> bytes | None:
        """The certificate of the platform's own authority, whoever signs the portal's."""
        ...

    def leads_to_https(self, site: Site) -> bool:
        """Whether the portal can redirect http to https."""
        ...

    def papers(self, site: Site) -> Mapping[str, str]:
        """Name → text, of what somebody who helps from afar would ask this platform for."""
        ...

    def advice(self, environment: Environment, server: str, section: str) -> str:
        """What to do about a server of the state that does not answer."""
        ...
