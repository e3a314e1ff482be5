"""The database schema is at the newest revision the release's image brings."""

import logging
import re
import time
from dataclasses import dataclass

from clients.command import CommandFailed
from clients.postgres import PostgresRefused, PostgresUnreachable
from config.errors import StepError
from config.pigsty import migration_variables
from config.release import Run
from tasks.core import release_file
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.step import Change, Step
from tasks.steps.compose import stop_services
from tasks.steps.docker import compose_prefix
from tasks.steps.pgsql import dify_database
from tasks.tools import compose

log = logging.getLogger("rollout")

HEAD_WITHIN_S = 120
_REVISION = re.compile(r"^(?P<revision>[0-9a-f]{12})\b.*\(head\)", re.MULTILINE)
_UNKNOWN = re.compile(r"Can't locate revision identified by '(\w+)'")


@dataclass(frozen=True, slots=True)
class Seen:
    """Revision of the database and of the image; None where there is none or it is not known."""

    database: str | None
    image: str | None


@dataclass(frozen=True, slots=True)
class Migrate:
    """One migration at a time, as a step of its own, with everything that writes stopped.

    Upstream ends with status 0 when its Redis lock is held and nothing was migrated, so only
    the revision found afterwards counts.
    """

    site: Site
    name: str = "migrate"
    settle_s: float = 0.0

    def observe(self) -> Seen:
        """A server that does not know us yet has nothing of ours: a plan says who makes that."""
        try:
            found = self._in_database()
        except PostgresRefused:
            found = None
        return Seen(found, self._known_head())

    def plan(self, actual: Seen) -> list[Change]:
        if actual.database is not None and actual.database == actual.image:
            return []
        before = actual.database or "empty"
        after = actual.image or f"newest of Dify {self.site.release.version}"
        return [Change("migrate the schema", before, after)]

    def apply(self, change: Change) -> None:
        self._clear_leftovers()
        head = self._ask_head()
        if self._in_database() != head:
            stop_services(self.site, self.site.release.migration.writers)
            self._migrate(head)
        image = self.site.docker.image(self._reference())
        if image is not None:
            known = release_file.read(self.site.environment, self.site.node).heads
            heads = {**known, image.id: head}
            release_file.update(self.site.environment, self.site.node, heads=heads)

    def _migrate(self, head: str) -> None:
        """Run it; once more when a dead migration's lock kept it from doing anything."""
        migration = self.site.release.migration
        deadline = time.monotonic() + migration.lock_s + 5
        while True:
            output = self._run(migration.run, self.site.environment.dify.migrate_within_s)
            found = self._in_database()
            if found == head:
                log.info("migrate: schema is at %s", head)
                return
            if time.monotonic() > deadline:
                raise StepError(
                    "migrate",
                    f"the schema is at {found or 'nothing'} after the migration, not at {head}",
                    tried=output.strip().splitlines()[-1] if output.strip() else "",
                    advice="is another migration running? read the log of this step",
                )
            log.info("migrate: a lock is held and nothing was migrated, trying again")
            time.sleep(3)

    def _ask_head(self) -> str:
        output = self._run(self.site.release.migration.head, HEAD_WITHIN_S)
        if match := _REVISION.search(output):
            return match["revision"]
        raise StepError(
            "migrate",
            "the image does not tell its newest schema revision",
            tried=masked(output, self.site)[-500:],
            advice="is it the image of this release? see [migration] in config/releases",
        )

    def _run(self, run: Run, timeout_s: int) -> str:
        command = compose.run(
            compose_prefix(self.site.node),
            self.site.environment.dify.home,
            run.service,
            name=self._container(),
            environment=run.environment | migration_variables(self.site.environment),
            entrypoint=run.entrypoint,
            command=run.command,
            timeout_s=timeout_s,
        )
        try:
            return self.site.node.run(command)
        except CommandFailed as error:
            text = masked(f"{error.reason}\n{error.output}", self.site)
            raise self._trouble(text) from None

    def _trouble(self, text: str) -> StepError:
        if match := _UNKNOWN.search(text):
            return StepError(
                "migrate",
                f"the database is at revision {match[1]}, which Dify "
                f"{self.site.release.version} does not know: it was made by a newer release",
                advice="deploy that release, or restore a backup from before it",
            )
        return StepError(
            "migrate",
            "the migration failed: " + "\n".join(text.strip().splitlines()[-8:]),
            advice="nothing else was started; mend the cause and deploy again",
        )

    def _clear_leftovers(self) -> None:
        """A migration container of a killed run goes on by itself: let it end, then remove it."""
        deadline = time.monotonic() + self.site.environment.dify.migrate_within_s
        project = self.site.environment.dify.project
        while any(
            c.name == self._container() and c.state == "running"
            for c in self.site.docker.containers(project)
        ):
            if time.monotonic() > deadline:
                break
            log.info("migrate: waiting for the migration of an earlier run to end")
            time.sleep(1)
        self.site.docker.remove(self._container())

    def _container(self) -> str:
        return f"{self.site.environment.dify.project}-migrate"

    def _reference(self) -> str:
        service = self.site.release.services[self.site.release.migration.run.service]
        return self.site.release.images[service.image]

    def _known_head(self) -> str | None:
        """What this very image told when it was asked before."""
        if self.site.docker.trouble():
            return None
        image = self.site.docker.image(self._reference())
        known = release_file.read(self.site.environment, self.site.node).heads
        return known.get(image.id) if image else None

    def _in_database(self) -> str | None:
        try:
            with dify_database(self.site).connect() as connection:
                there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
                if there is None or there[0] is None:
                    return None
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                return str(row[0]) if row else None
        except PostgresUnreachable:
            return None


def migrate_steps(site: Site) -> list[Step[Seen]]:
    return [Migrate(site)]
