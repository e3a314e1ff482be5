"""How thoroughly a deploy has to be verified: a stack that was proved is not proved again."""

import hashlib

from tasks import release_file
from tasks.checks.probe import Check
from tasks.site import Site
from tasks.verify import failed, verify


def prove(site: Site, *, changed: bool) -> list[Check]:
    """All checks if anything changed or these containers were never proved, else the quick ones.

    Raises:
        StepError: a check failed.
    """
    known = release_file.read(site.environment, site.node).verified
    deep = changed or known != _fingerprint(site)
    checks = verify(site, deep=deep)
    if error := failed(checks):
        raise error
    if deep:
        release_file.update(site.environment, site.node, verified=_fingerprint(site))
    return checks


def _fingerprint(site: Site) -> str:
    """Digest of the containers that run now; a killed run's verification is made up for."""
    project = site.environment.dify.project
    containers = [c for each in site.on_each() for c in each.docker.containers(project)]
    names = sorted(f"{c.service} {c.id}" for c in containers if not c.one_off)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
