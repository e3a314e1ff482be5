"""What health asks, in groups that a run's graph shows as tasks."""

from itertools import chain

from config.errors import ConfigError
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health import (
    backups,
    celery,
    containers,
    drift,
    inside,
    machine,
    portal,
    postgres,
    redis,
    rollout,
    sentinel,
)
from tasks.probes.health.probe import Past

# Each group is a task of its own in a run's graph. A task of each subject would take a run longer
# than asking them does.
GROUPS = {
    "machine": (machine, rollout),
    "state": (postgres, redis, sentinel, celery),
    "services": (containers, inside, portal),
    "upkeep": (backups, drift),
}
# No rollout explains these.
APART = (machine, rollout, backups)


def probes(site: Site, past: Past) -> list[Probe]:
    """Those of all groups."""
    return list(chain.from_iterable(grouped(site, past).values()))


def grouped(site: Site, past: Past) -> dict[str, list[Probe]]:
    """All but those whose every answer the environment skips, unless they explain others."""
    groups = {
        name: [each for subject in subjects for each in subject.probes(site, past)]
        for name, subjects in GROUPS.items()
    }
    found = list(chain.from_iterable(groups.values()))
    names = {name for each in found for name in each.answers}
    skipped = set(site.environment.health.skip)
    if unknown := sorted(skipped - names):
        raise ConfigError(
            [
                f"health.skip: {unknown[0]!r} is no probe of {site.name}; expected one of: "
                + ", ".join(sorted(names))
            ]
        )
    needs = {need for each in found for of in each.answers.values() for need in of}
    return {
        name: [
            each
            for each in group
            if not skipped.issuperset(each.answers) or needs & set(each.answers)
        ]
        for name, group in groups.items()
    }
