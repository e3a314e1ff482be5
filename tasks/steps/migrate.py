"""The database schema is at the newest revision the release's image brings."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from clients.waiting import despite, until
from config.errors import RolloutError, StepError
from config.hand_steps import Run
from config.pigsty import migration_variables
from config.rules.revisions import Fit
from tasks.core import upgrade_mark
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.step import ANSWERS_WITHIN_S, Change, Kind, Step
from tasks.steps import revisions
from tasks.steps.containers import made_services, start_services, stop_services
from tasks.steps.job import JobFailed, run_job
from tasks.steps.reach import require_reached
from tasks.tools.migration import met_a_lock

log = logging.getLogger("rollout")

NONE: Mapping[str, str] = {}
# Dify adds it to what its connections ask for.
LOCK_TIMEOUT = "options=-c%20lock_timeout%3D5000"
LOCKS_WITHIN_S = 60.0
LOCK_EVERY_S = 5.0
_UNKNOWN = re.compile(r"Can't locate revision identified by '(\w+)'")


class Locked(StepError):
    """The migration met a lock that somebody held: the same one may be had a moment later."""


@dataclass(frozen=True, slots=True)
class Actual:
    """Revision of the database (None: no schema) and newest of the release (None: not known).

    `served`: it is a newer release's, which this one serves too.
    """

    database: str | None
    newest: str | None
    served: bool = False


@dataclass(frozen=True, slots=True)
class Migrate:
    """One migration at a time, as a step of its own, with everything that writes stopped.

    Upstream ends with status 0 when its Redis lock is held and nothing was migrated, so only
    the revision found afterwards counts.
    """

    site: Site
    name: str = "migrate"
    settle_s: float = 0.0

    def observe(self) -> Actual:
        known = revisions.known(self.site)
        newest = known[0] if known else self.site.release.migration.head
        found = revisions.in_database(self.site)
        other = found if found != newest else None
        served = other is not None and revisions.fits(self.site, other) is Fit.BESIDE
        return Actual(found, newest or None, served)

    def plan(self, actual: Actual) -> list[Change]:
        if actual.served or (actual.database is not None and actual.database == actual.newest):
            return []
        before = actual.database or "empty"
        after = actual.newest or f"newest of Dify {self.site.release.version}"
        return [Change(Kind.CHANGE, "schema", "migrate the schema", before, after)]

    def apply(self, change: Change) -> None:
        self._clear_leftovers()
        known, found = revisions.ask(self.site), self._in_database()
        if found and found not in known:
            raise revisions.refusal(self.site, found)
        if found != known[0]:
            require_reached(self.site)
            upgrade = upgrade_mark.read(self.site)
            beside = upgrade is not None and upgrade.pending and upgrade.beside
            (self._beside if beside else self._stopped)(known[0])
        revisions.remember(self.site)

    def _beside(self, head: str) -> None:
        """Migrate while the old release serves: a lock that it holds is not waited for long.

        Whoever waits for a lock has everybody queue behind it; one that is not had is tried again.
        Any other failure is for good.
        """
        despite(
            lambda error: isinstance(error, Locked),
            lambda: self._migrate(head, {"DB_EXTRAS": LOCK_TIMEOUT}),
            within_s=self.site.within(LOCKS_WITHIN_S),
            every_s=LOCK_EVERY_S,
            waiting="migrate: the old release holds a lock, trying again",
        )
        revisions.remember_schema(self.site)

    def _stopped(self, head: str) -> None:
        """Migrate while nothing writes; what was stopped runs again if that fails.

        But for an upgrade, whose way back is another one: the schema may be half-way by then.
        """
        back = self._back()
        try:
            stop_services(self.site, self.site.release.migration.writers)
            self._migrate(head)
        except BaseException:
            log.warning("migrate: failed, starting again: %s", ", ".join(back) or "nothing")
            try:
                start_services(self.site, back)
            except RolloutError as error:
                log.error("migrate: they do not run: %s", error)
            raise

    def _back(self) -> list[str]:
        """What runs again after a migration that failed."""
        upgrade = upgrade_mark.read(self.site)
        if upgrade and upgrade.pending:
            return []
        found = made_services(self.site)
        return [name for name in self.site.release.migration.writers if name in found]

    def _migrate(self, head: str, variables: Mapping[str, str] = NONE) -> None:
        """Run it; once more when a dead migration's lock kept it from doing anything."""
        migration = self.site.release.migration

        def migrated() -> tuple[str, str | None]:
            output = self._run(migration.run, variables)
            return output, self._in_database()

        output, found = until(
            migrated,
            lambda done: done[1] == head,
            within_s=migration.lock_s + 5,
            every_s=3,
            waiting="migrate: a lock is held and nothing was migrated, trying again",
        )
        if found != head:
            raise StepError(
                "migrate",
                f"the schema is at {found or 'nothing'} after the migration, not at {head}",
                tried=output.strip().splitlines()[-1] if output.strip() else "",
                advice="is another migration running? read the log of this step",
            )
        log.info("migrate: schema is at %s", head)

    def _run(self, run: Run, more: Mapping[str, str]) -> str:
        variables = {**migration_variables(self.site.environment), **more}
        name, timeout_s = self._container(), self.site.environment.dify.migrate_within_s
        try:
            return run_job(self.site, run, name=name, variables=variables, timeout_s=timeout_s)
        except JobFailed as error:
            raise self._trouble(str(error)) from None

    def _trouble(self, text: str) -> StepError:
        text = masked(text, self.site)
        if match := _UNKNOWN.search(text):
            return revisions.refusal(self.site, match[1])
        kind = Locked if met_a_lock(text) else StepError
        return kind(
            "migrate",
            "the migration failed: " + "\n".join(text.strip().splitlines()[-8:]),
            advice="mend the cause and deploy again; the log says what runs again meanwhile",
        )

    def _clear_leftovers(self) -> None:
        """A migration container of a killed run goes on by itself: let it end, then remove it."""
        until(
            lambda: not self._runs(),
            within_s=self.site.environment.dify.migrate_within_s,
            every_s=1,
            waiting="migrate: waiting for the migration of an earlier run to end",
        )
        self.site.docker.remove(self._container())

    def _runs(self) -> bool:
        return any(
            container.name == self._container() and container.state == "running"
            for container in self.site.docker.containers(self.site.environment.dify.project)
        )

    def _container(self) -> str:
        return f"{self.site.environment.dify.project}-migrate"

    def _in_database(self) -> str | None:
        return revisions.in_database(self.site, ANSWERS_WITHIN_S)


def migrate_steps(site: Site) -> list[Step[Actual]]:
    return [Migrate(site)]
