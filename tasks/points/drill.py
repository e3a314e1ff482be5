"""A drill: the newest point brought up beside the real thing, looked at, and thrown away.

Its databases, Redis databases, folder, project and network are its own. Nothing of it acts on
the outside: it runs no schedules, no plugins and no mail, and its way to the internet is closed.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.environment import Environment
from config.errors import StepError
from config.release import Release
from config.rules.finding import Finding
from config.rules.restore_point import DATA_SECRETS, DRILL, Manifest
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.images.copy_to_nodes import images_steps
from tasks.points import buckets, databases, folders, restored
from tasks.points.backup import OnProgress, silent
from tasks.points.choice import Choice
from tasks.points.databases import twins
from tasks.points.filling import fill_database, fill_folder
from tasks.points.replaced import DATABASES
from tasks.probes.verify.run import failed
from tasks.steps.compose import compose_steps
from tasks.steps.containers import down
from tasks.steps.redis import dify_redis
from tasks.steps.settings import settings_steps

STEP = "drill"
SERVICES = ("api", "worker", "nginx")
NOWHERE = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "localhost,127.0.0.1",
}
# In a Redis database that holds it, everything is a drill's.
MARK = "dify-rollout:drill"


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found. Seconds: `rpo_s` how old the point was, `rto_s` until it was proved."""

    point: str
    rpo_s: float
    rto_s: float
    size: int
    checks: tuple[Finding, ...]


class Drilling:
    """A drill on its way; its phases are the methods, in their order.

    A plain class for the reason `Site` is one.
    """

    def __init__(self, site: Site, choice: Choice, on_progress: OnProgress = silent) -> None:
        self._began, self._now = time.monotonic(), datetime.now(UTC)
        self._site, self._choice, self._on_progress = site, choice, on_progress
        self._manifest = choice.manifest
        self.aside = rehearsal_of(site, choice.manifest)
        self._twins = {twin.part: twin for twin in twins(site, DATABASES)}
        self.clear()
        for broker in (False, True):
            with dify_redis(self.aside, broker=broker).client() as client:
                client.set(MARK, choice.point.id)

    @property
    def parts(self) -> list[str]:
        return [*self._twins, "files"]

    def fill(self, part: str) -> None:
        """This part of the point is restored aside."""
        self._on_progress(part, 0)
        if part in self._twins:
            twin = self._twins[part]
            target = twin.named(DRILL)
            databases.make(self._site, target, twin.extensions)
            fill_database(self._site, self._choice, target, twin)
        else:
            _fill_files(self._site, self.aside, self._choice)
        self._on_progress(part, 1)

    def start(self) -> None:
        """A stack of the point's data runs and is healthy."""
        aside = self.aside
        self._on_progress("stack", 0)
        for step in (*images_steps(aside), *settings_steps(aside), *compose_steps(aside)):
            converge(step, patience=aside.within(1))
        self._on_progress("stack", 1)

    def expect_schema(self, revision: str) -> None:
        """The copy was migrated: it is proved if it is at this revision, not at the point's."""
        versions = {**self._manifest.versions, "schema": revision}
        self._manifest = self._manifest.model_copy(update={"versions": versions})

    def prove(self) -> Drill:
        """What was measured until every check passed.

        Raises:
            StepError: one did not.
        """
        point, manifest = self._choice.point.id, self._manifest
        checks = restored.verify(self.aside, manifest)
        if error := failed(checks):
            cause = f"{point} does not stand up: {error.cause}"
            raise StepError(STEP, cause, advice=error.advice)
        rto_s = time.monotonic() - self._began
        rpo_s = (self._now - manifest.created).total_seconds()
        return Drill(point, rpo_s, rto_s, manifest.size, tuple(checks))

    def clear(self) -> None:
        """Nothing of a drill is left."""
        clear(self._site, self.aside)


def rehearsal_of(site: Site, manifest: Manifest) -> Site:
    """The environment a drill brings up: the point's data and secrets, everything else its own."""
    carried = {name: manifest.secrets[name] for name in DATA_SECRETS if name in manifest.secrets}
    return Site(
        _environment(site.environment, manifest),
        _release(site.release),
        {**site.secrets, **carried},
        site.node,
    )


def clear(site: Site, aside: Site) -> None:
    """Nothing of a drill is left, neither of this one nor of a dead one."""
    down(aside)
    for twin in twins(site, DATABASES):
        databases.drop(site, twin.named(DRILL))
    folders.remove(site.node, _root(site.environment))
    for broker in (False, True):
        server = dify_redis(aside, broker=broker)
        with server.client() as client:
            ours: Any = client
            if ours.dbsize() and not ours.exists(MARK):
                raise StepError(
                    STEP,
                    f"Redis database {server.database} is in use",
                    advice="give redis and broker of backup.drill numbers nobody uses",
                )
            ours.flushdb()


def _fill_files(site: Site, aside: Site, choice: Choice) -> None:
    state = {name: path for name, path in choice.manifest.folders.items() if name != "stack"}
    incoming = _root(site.environment) / "incoming"
    fill_folder(site, choice, incoming, list(state.values()))
    if choice.manifest.has(buckets.UPLOADS):
        part = choice.manifest.part(buckets.UPLOADS)
        state["storage"] = part.path
        choice.repository.run(choice.repository.tool.restore(part.snapshot, incoming))
    moves = {
        incoming / path.lstrip("/"): aside.environment.dify.data / site.release.state[name].path
        for name, path in state.items()
        if folders.exists(site.node, incoming / path.lstrip("/"))
    }
    folders.swap(site.node, moves)


def _root(environment: Environment) -> Path:
    return environment.dify.data / ".drill"


def _environment(environment: Environment, manifest: Manifest) -> Environment:
    dify, postgres, drill = environment.dify, environment.postgres, environment.drill
    root = _root(environment)
    return environment.model_copy(
        update={
            "dify": dify.model_copy(
                update={
                    "project": f"{dify.project}-drill",
                    "home": root / "stack",
                    "data": root / "data",
                    "subnet": drill.subnet,
                    "port": drill.port,
                    "services": [],
                    "admin_email": manifest.admin_email,
                }
            ),
            "postgres": postgres.model_copy(
                update={
                    "database": postgres.database + DRILL,
                    "plugin_database": postgres.plugin_database + DRILL,
                }
            ),
            "redis": environment.redis.model_copy(
                update={"database": drill.redis, "broker_database": drill.broker}
            ),
            "storage": environment.storage.model_copy(update={"kind": "local"}),
            "portal": environment.portal.model_copy(
                update={
                    "domain": "drill.invalid",
                    "route": "stack",
                    "http_port": drill.port,
                    "tls": False,
                }
            ),
        }
    )


def _release(release: Release) -> Release:
    """What answers and what works off jobs, with no way out."""
    services = {
        name: service.model_copy(update={"environment": {**service.environment, **NOWHERE}})
        for name, service in release.services.items()
        if name in SERVICES
    }
    return release.model_copy(update={"services": services})
