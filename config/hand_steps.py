"""What an upgrade across a release takes beside its migration: hand steps as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.environment.model import Strict, refuse


class Run(Strict):
    """A one-shot container of a service's image."""

    service: str
    environment: dict[str, str] = {}
    entrypoint: list[str] | None = None
    command: list[str] = []


class Done(Strict):
    """A query for one value, and the value it has once the step is done; `true` for a yes.

    `database`: Dify's own, or the plugin daemon's.
    """

    query: str
    wanted: str
    database: Literal["dify", "plugin"] = "dify"


class HandStep(Strict):
    """One step: a container's `run`, or `sql`, or what a `person` does before the upgrade begins.

    `when`: before or after the new version starts. `needs`: what it cannot do without. `repeat`:
    whether it may run twice. `optional`: where it is not done the upgrade goes on, with a note.
    `until`: the first release whose migration does it instead; empty for none.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    why: str
    when: Literal["before", "after"]
    run: Run | None = None
    sql: str = ""
    person: str = ""
    needs: list[Literal["marketplace"]] = []
    done: Done
    repeat: bool = True
    optional: bool = False
    until: str = ""

    @model_validator(mode="after")
    def is_done_in_one_way(self) -> Self:
        ways = [self.run is not None, bool(self.sql), bool(self.person)]
        if sum(ways) != 1:
            refuse([f"{self.name}: {sum(ways)} of run, sql, person; expected one of them"])
        if self.person and self.when != "before":
            refuse([f"{self.name}: a person does it before the upgrade; expected when = 'before'"])
        return self


class Past(Strict):
    """A release as far as upgrades across it need it; `head` is its newest schema revision."""

    version: str
    head: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    sandbox: str = ""
    plugin_daemon: str = ""
    steps: list[HandStep] = []


class Foreign(Strict):
    """A schema revision that no release of Dify ever had, and whose it is."""

    revision: str
    of: str


class History(Strict):
    """Every release that is known, oldest first, and revisions of others."""

    releases: list[Past]
    foreign: list[Foreign] = []
