"""How thoroughly a deploy has to be verified: a stack that was proved is not proved again."""

import hashlib
from datetime import UTC, datetime

from config.errors import NotKnown
from config.release import Release
from config.rules.finding import Finding
from tasks.core import release_file
from tasks.core.release_file import ReleaseFile
from tasks.core.site import Site
from tasks.probes.verify.run import failed, verify
from tasks.steps.pgsql import dify_database

# The timeline is another one after a failover or a return to an earlier moment.
_IDENTITY = """
SELECT (pg_control_system()).system_identifier, (pg_control_checkpoint()).timeline_id,
       string_agg(oid::text, ',' ORDER BY oid)
  FROM pg_database WHERE datname = ANY (%s)
"""


def prove(site: Site, *, changed: bool) -> list[Finding]:
    """All checks if anything changed or this state was never proved, else the quick ones.

    The mark goes before the checks, and comes back only when all of them passed on what still runs.

    Raises:
        StepError: a check failed.
    """
    known = release_file.read(site.environment, site.node)
    deep = changed or not holds(site, known) or known.databases != _databases(site)
    if deep:
        unmark(site)
    before = _state(site)
    checks = verify(site, deep=deep)
    if error := failed(checks):
        unmark(site)
        raise error
    if deep and before == _state(site):
        verified, databases = before
        release_file.update(
            site.environment,
            site.node,
            verified=verified,
            databases=databases,
            settings_of=definition(site.release),
            proved_at=datetime.now(UTC).isoformat(timespec="seconds"),
            proved_release=site.release.version,
        )
    return checks


def unmark(site: Site) -> None:
    """What runs does not count as proved any more."""
    release_file.update(site.environment, site.node, verified="", databases="")


def holds(site: Site, known: ReleaseFile) -> bool:
    """Whether what runs now are the containers that passed, made from this very release.

    Without the environment's secrets, its databases cannot be compared.
    """
    return known.verified == _fingerprint(site) and known.settings_of == definition(site.release)


def definition(release: Release) -> str:
    """Digest of all that a release says of itself: settings, services, images, routes."""
    said = release.model_dump_json(exclude={"overlap_from"})
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _state(site: Site) -> tuple[str, str]:
    return _fingerprint(site), _databases(site)


def _fingerprint(site: Site) -> str:
    """Digest of the containers that run now, their images, and the settings they should have."""
    project = site.environment.dify.project
    containers = [c for each in site.on_each() for c in each.docker.containers(project)]
    names = sorted(f"{c.service} {c.id} {c.image}" for c in containers if not (c.one_off or c.kept))
    written = release_file.read(site.environment, site.node).settings
    names += [f"{key}={digest}" for key, digest in sorted(written.items())]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _databases(site: Site) -> str:
    """Which databases of which server these are: others after each was made anew or went back."""
    postgres = site.environment.postgres
    names = [postgres.database, postgres.plugin_database]
    try:
        with dify_database(site).connect() as connection:
            row = connection.execute(_IDENTITY, [names]).fetchone()
    except NotKnown:
        return "not known"
    return " ".join(map(str, row or ()))
