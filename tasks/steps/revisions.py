"""Whether the release's image knows the revision that the database is at.

A schema does not go back: an image that does not know the revision cannot serve the database. This
is asked before anything is written or stopped. What an image knows never changes, so each image is
asked once: a throw-away container without a network lists its revisions.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from clients.command import PATIENCE
from clients.docker import NoEnd
from clients.postgres import DatabaseMissing
from config.desired import env_file
from config.desired.compose import environment_of, plain
from config.errors import NotKnown, StepError
from config.hand_steps import Run
from config.load import load_release, release_names
from config.release import REFERENCE
from config.rules.finding import Reading, bad, good
from config.rules.revisions import Fit, fit, parse_history
from tasks.core import release_file
from tasks.core.engine import usable
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps.pgsql import dify_database

log = logging.getLogger("rollout")

HISTORY_WITHIN_S = 600
_FRESH: dict[str, tuple[str, ...]] = {}
_SAID = {
    Fit.SAME: "the release's newest",
    Fit.OLDER: "the release migrates it",
    Fit.BESIDE: "a newer release's, which this one serves too",
    Fit.OPEN: "the release's image is asked before settings are written",
}


def in_database(site: Site, within_s: float = 0) -> str | None:
    """The revision of Dify's schema; None where there is none yet.

    Raises:
        PostgresUnreachable, PostgresRefused: it could not be asked.
    """
    if site.platform.postgres_absent(site):
        return None
    try:
        with dify_database(site).connect(within_s) as connection:
            there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
            if there is None or there[0] is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(row[0]) if row else None
    except DatabaseMissing:
        return None


def here(site: Site) -> bool:
    """Whether the image that can be asked is on the first node."""
    return usable(site) and site.docker.image(_reference(site)) is not None


def known(site: Site) -> Sequence[str]:
    """The revisions of the release's image, its head first; empty if it was not asked yet."""
    image = site.docker.image(_reference(site)) if usable(site) else None
    if image is None:
        return ()
    return release_file.read(site.environment, site.node).revisions.get(image.id) or _FRESH.get(
        image.id, ()
    )


def ask(site: Site) -> Sequence[str]:
    """The revisions of the release's image, its head first; it is asked if it never was.

    Raises:
        StepError: the image is not here, or it does not say.
    """
    if found := known(site):
        return found
    image = site.docker.image(_reference(site)) if usable(site) else None
    if image is None:
        raise StepError(
            "migrate",
            f"the image {_reference(site)} is not on {site.node.name}",
            advice=f"rollout images pull {site.name}, or deploy without --only",
        )
    _FRESH[image.id] = _listed(site)
    return _FRESH[image.id]


def remember(site: Site) -> None:
    """What the image said stays beside the stack, with what those before it said that are kept."""
    image = site.docker.image(_reference(site))
    if image is not None:
        ran = release_file.read(site.environment, site.node)
        kept = {*ran.images.values(), *ran.previous.values()}
        before = {identity: known for identity, known in ran.revisions.items() if identity in kept}
        revisions = {**before, image.id: list(ask(site))}
        release_file.update(site.environment, site.node, revisions=revisions)


def remember_schema(site: Site) -> None:
    """Whose the schema is stays beside the stack: an older release may serve it, too."""
    release_file.update(site.environment, site.node, migrated={ask(site)[0]: site.release.version})


def fits(site: Site, revision: str) -> Fit:
    """How the revision relates to the release; the image is asked if only it can say and is here.

    For a database, and for a restore point.
    """
    found = fit(revision, site.release, known(site), _heads(site))
    if found is Fit.OPEN and here(site):
        found = fit(revision, site.release, ask(site), {})
    maker = _maker(site, revision) if found is Fit.NEWER else ""
    beside = maker in release_names() and load_release(maker).beside(site.release.version)
    return Fit.BESIDE if beside else found


def refusal(site: Site, revision: str) -> StepError:
    """The release does not know the revision, and the ways on."""
    newer, name, version = _maker(site, revision), site.name, site.release.version
    at = f"{revision} of Dify {newer}" if newer else revision
    again = f"rollout deploy {name} --release {newer or 'VERSION'}"
    return StepError(
        "migrate",
        f"the database is at revision {at}, which Dify {version} does not know",
        advice=f"a schema does not go back: deploy that release again ({again}) and set "
        f"dify.release in config/environments/{name}.toml; or restore a point from before it: "
        f"rollout backup list {name}, rollout restore {name} POINT",
    )


def reading(site: Site) -> Reading:
    """Whether the release can serve the database, for preflight; what cannot be asked yet is
    asked again before anything is written."""
    try:
        revision = in_database(site)
        found = fits(site, revision) if revision else Fit.OLDER
    except NotKnown as error:
        return good("schema", f"asked again before settings: {error}")
    if revision is None:
        return good("schema", "none yet")
    if found is Fit.NEWER:
        error = refusal(site, revision)
        return bad("schema", error.cause, advice=error.advice)
    return good("schema", f"{revision}: {_SAID[found]}")


@dataclass(frozen=True, slots=True)
class Actual:
    """The database's revision (None: no schema), how it fits, whether the image said so."""

    revision: str | None
    fit: Fit = Fit.OLDER
    said: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """The release can serve the database: before its settings are written, its image says so.

    On the first node, which is the one that migrates.
    """

    site: Site
    name: str = "settings"
    settle_s: float = 0.0

    def observe(self) -> Actual:
        revision = in_database(self.site)
        if revision is None:
            return Actual(None)
        return Actual(revision, fits(self.site, revision), self._said())

    def plan(self, actual: Actual) -> Sequence[Change]:
        """Raises StepError where the release does not know the revision."""
        if actual.revision and actual.fit is Fit.NEWER:
            raise refusal(self.site, actual.revision)
        if actual.revision is None or actual.fit in (Fit.SAME, Fit.BESIDE) or actual.said:
            return []
        release = self.site.release.version
        maker = _maker(self.site, actual.revision)
        return [
            Change(
                Kind.CHANGE,
                "what the image knows",
                f"ask the image of Dify {release} whether it knows revision {actual.revision}",
                f"of Dify {maker}" if maker else "",
                "before anything is written or stopped",
            )
        ]

    def apply(self, change: Change) -> None:
        ask(self.site)
        remember(self.site)

    def _said(self) -> bool:
        image = self.site.docker.image(_reference(self.site)) if usable(self.site) else None
        stored = release_file.read(self.site.environment, self.site.node).revisions
        return image is not None and image.id in stored


def _maker(site: Site, revision: str) -> str:
    """The release whose newest revision it is, as far as is known; empty if none is."""
    made_by = [version for version, head in _heads(site).items() if head == revision]
    return made_by[0] if made_by else ""


def _heads(site: Site) -> dict[str, str]:
    """Release → its newest revision: of those whose file names it, and of what runs here."""
    files = {name: load_release(name).migration.head for name in release_names()}
    ran = release_file.read(site.environment, site.node)
    lists = (ran.revisions.get(image, [""]) for image in ran.images.values())
    runs = max((listed[0] for listed in lists), default="")
    migrated = {version: head for head, version in ran.migrated.items()}
    return {n: head for n, head in {**files, ran.version: runs, **migrated}.items() if head}


def _reference(site: Site) -> str:
    service = site.release.services[site.release.migration.run.service]
    return site.release.images[service.image]


def _listed(site: Site) -> tuple[str, ...]:
    run = site.release.migration.revisions
    log.info("migrate: asking the image of Dify %s for its revisions", site.release.version)
    try:
        _, said = site.docker.once(
            _reference(site),
            run.command,
            name=f"{site.environment.dify.project}-revisions",
            entrypoint=run.entrypoint,
            environment=_variables(site, run),
            timeout_s=site.within(HISTORY_WITHIN_S),
        )
    except NoEnd as error:
        raise StepError(
            "migrate",
            f"the image {_reference(site)} does not list its revisions: {error}",
            advice=f"deploy again when the machine is less busy, or raise {PATIENCE}",
        ) from None
    if found := parse_history(said):
        return found
    raise StepError(
        "migrate",
        f"the image {_reference(site)} does not list its schema revisions",
        tried=" ".join(run.command) + ": " + masked(said, site)[-500:],
        advice="is it the image of this release? see [migration] in config/releases",
    )


def _variables(site: Site, run: Run) -> dict[str, str]:
    """What a container of the service has, and what the question adds."""
    settings = env_file.settings(site.environment, site.release, site.secrets)
    service = environment_of(site.release.services[run.service], site.release)
    values = {
        key: settings[named[1]] if (named := REFERENCE.fullmatch(value)) else plain(value)
        for key, value in service.items()
    }
    return values | run.environment
