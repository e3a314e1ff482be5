"""The hand steps of an upgrade: asked whether they are done, carried out, and asked again."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from clients.postgres import DatabaseMissing
from config.errors import RolloutError, StepError
from config.hand_steps import HandStep
from tasks.core import release_file, upgrade_mark
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, NotConverged, Planned, converge
from tasks.steps.job import JobFailed, run_job
from tasks.steps.pgsql import dify_database

log = logging.getLogger("rollout")

STEP = "hand steps"
_SHOWN = 500


class NoSuchTable(StepError):
    """The database, or what the query names in it, is not there."""


@dataclass(frozen=True, slots=True)
class Actual:
    """What the query says, and when the step began before; empty if it never did."""

    said: str
    began: str


@dataclass(slots=True)
class Stepped:
    """One hand step as a step; only its query says that it is done, and no exit status."""

    site: Site
    step: HandStep
    output: str = ""
    settle_s: float = 0.0

    @property
    def name(self) -> str:
        return self.step.name

    def observe(self) -> Actual:
        began = release_file.read(self.site.environment, self.site.node).hand_steps
        return Actual(answer(self.site, self.step), began.get(self.step.name, ""))

    def plan(self, actual: Actual) -> Sequence[Planned]:
        step = self.step
        if actual.said == step.done.wanted:
            return []
        if actual.began and not step.repeat:
            return [
                Blocked(
                    step.why,
                    f"{step.name} began at {actual.began} and must not run twice, and is not done: "
                    f"its query says {actual.said}, not {step.done.wanted}",
                    f"rollout rollback {self.site.name}, then look at what it left",
                )
            ]
        return [
            Change(
                Kind.CHANGE, step.name, step.why, actual.said, step.done.wanted, action=step.name
            )
        ]

    def apply(self, change: Change) -> None:
        """It counts as begun before it begins: a kill in the middle is a run."""
        before = release_file.read(self.site.environment, self.site.node).hand_steps
        noted = {**before, self.step.name: upgrade_mark.now()}
        release_file.update(self.site.environment, self.site.node, hand_steps=noted)
        if self.step.sql:
            _asked(self.site, self.step, self.step.sql)
            return
        assert self.step.run is not None  # noqa: S101 - the model refuses a step without a way
        try:
            self.output = run_job(
                self.site,
                self.step.run,
                name=f"{self.site.environment.dify.project}-hand-step",
                variables={"MIGRATION_ENABLED": "false"},
                timeout_s=self.site.environment.dify.migrate_within_s,
            )
        except JobFailed as error:
            self.output = str(error)
        log.info("%s: %s", self.step.name, self.last_words)

    @property
    def last_words(self) -> str:
        return masked(self.output, self.site).strip()[-_SHOWN:] or "it said nothing"


def answer(site: Site, step: HandStep) -> str:
    """What the query of the step says.

    Raises:
        NoSuchTable: there is none that it names.
        StepError: the database does not take it.
    """
    rows = _asked(site, step, step.done.query)
    value: Any = rows[0][0] if rows else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def left(site: Site, steps: Sequence[HandStep]) -> list[HandStep]:
    """Steps that are not done as far as the schema of now can say."""
    found: list[HandStep] = []
    for step in steps:
        try:
            done = answer(site, step) == step.done.wanted
        except NoSuchTable:
            done = False
        if not (done or step.person):
            found.append(step)
    return found


def left_by_hand(site: Site, steps: Sequence[HandStep]) -> list[HandStep]:
    """Steps that a person has not done yet; where the table is missing nothing is to be done."""
    left: list[HandStep] = []
    for step in steps:
        with suppress(NoSuchTable):
            if step.person and answer(site, step) != step.done.wanted:
                left.append(step)
    return left


def carry_out(site: Site, steps: Sequence[HandStep]) -> list[str]:
    """Each step is done; a note for each optional one that is not.

    Raises:
        StepError: the first that is not done and has to be.
    """
    notes: list[str] = []
    for step in steps:
        try:
            _carried_out(Stepped(site, step))
        except RolloutError as error:
            if not step.optional:
                raise
            log.warning("%s: not done, and the upgrade goes on: %s", step.name, error)
            notes.append(f"{step.name} is not done ({step.why}): {error}")
    return notes


def _carried_out(step: Stepped) -> None:
    try:
        converge(step, patience=step.site.within(1))
    except NotConverged:
        found = step.observe().said
        raise StepError(
            STEP,
            f"{step.name} ran and is not done: its query says {found}, not {step.step.done.wanted}",
            tried=step.last_words,
            advice="look at its last words above",
        ) from None


def _asked(site: Site, step: HandStep, query: str) -> list[tuple[Any, ...]]:
    database = dify_database(site, plugin=step.done.database == "plugin")
    try:
        with database.connect(site.within(5)) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []
    except (psycopg.errors.DatabaseError, DatabaseMissing) as error:
        missing = isinstance(error, (psycopg.errors.UndefinedTable, DatabaseMissing))
        said = str(error).splitlines()[0]
        raise (NoSuchTable if missing else StepError)(
            STEP,
            f"{step.name}: PostgreSQL does not take its query: {said}",
            advice="is config/releases right for this database?",
        ) from None
