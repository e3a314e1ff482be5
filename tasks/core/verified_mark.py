"""How thoroughly a deploy has to be verified: a stack that was proved is not proved again."""

import hashlib
from datetime import UTC, datetime

from config.release import Release
from tasks.core import release_file
from tasks.core.release_file import ReleaseFile
from tasks.core.site import Site
from tasks.probes.verify.probe import Check
from tasks.probes.verify.run import failed, verify


def prove(site: Site, *, changed: bool) -> list[Check]:
    """All checks if anything changed or these containers were never proved, else the quick ones.

    Raises:
        StepError: a check failed.
    """
    known = release_file.read(site.environment, site.node)
    deep = changed or not holds(site, known)
    checks = verify(site, deep=deep)
    if error := failed(checks):
        raise error
    if deep:
        release_file.update(
            site.environment,
            site.node,
            verified=_fingerprint(site),
            settings_of=definition(site.release),
            proved_at=datetime.now(UTC).isoformat(timespec="seconds"),
            proved_release=site.release.version,
        )
    return checks


def holds(site: Site, known: ReleaseFile) -> bool:
    """Whether what runs now are the containers that passed, made from this very release."""
    return known.verified == _fingerprint(site) and known.settings_of == definition(site.release)


def definition(release: Release) -> str:
    """Digest of all that a release says: settings, services, images, routes."""
    return hashlib.sha256(release.model_dump_json().encode()).hexdigest()[:16]


def _fingerprint(site: Site) -> str:
    """Digest of the containers that run now; a killed run's verification is made up for."""
    project = site.environment.dify.project
    containers = [c for each in site.on_each() for c in each.docker.containers(project)]
    names = sorted(f"{c.service} {c.id}" for c in containers if not c.one_off)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
