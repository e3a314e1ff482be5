"""Whether a run is changing the environment right now: it takes down what it makes anew."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from config.rules.finding import Finding, Reading, Status
from config.rules.health.verdict import ROLLOUT
from tasks.core.lock import holding, lock_file
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health.probe import Past, probe

# How long a rollout excuses what it takes down; times the patience.
EXCUSED_S = 3600
_TAKES_DOWN = ("deploy", "restore", "upgrade", "rollback", "adopt")


def probes(site: Site, past: Past) -> list[Probe]:
    advice = "look at the lock of the environment on its first node"
    return [probe(site, past, {ROLLOUT: ("machine",)}, _ask, advice)]


def _ask(site: Site, _: Past) -> list[Reading]:
    """The value is there while one goes on, the note tells the next run."""
    holder = holding(site.node, lock_file(site.environment))
    if holder is None or holder.run.partition(" ")[0] not in _TAKES_DOWN:
        return [Reading(ROLLOUT, "none")]
    lasts_s = max(0.0, (datetime.now(UTC) - holder.since).total_seconds())
    late = lasts_s > site.within(EXCUSED_S)
    reading = Reading(
        ROLLOUT,
        f"{holder.run} since {holder.since:%Y-%m-%d %H:%M} UTC",
        lasts_s,
        "s",
        status=Status.WARN if late else Status.OK,
        advice="it excuses no failure any more: look at its run, end it if it is stuck",
        notes={ROLLOUT: holder.run},
    )
    return [reading]


def going_on(findings: Sequence[Finding]) -> str:
    """What the rollout that excuses failures is called; empty if none does."""
    found = (f for f in findings if f.probe == ROLLOUT and f.value is not None and not f.bad)
    return next((finding.said for finding in found), "")


def excused(findings: Sequence[Finding], apart: frozenset[str]) -> list[Finding]:
    """What is bad while a rollout goes on is so because of it, but for the probes `apart`."""
    if not going_on(findings):
        return list(findings)
    return [
        replace(finding, because=ROLLOUT)
        if finding.bad and finding.probe not in apart and finding.because not in apart
        else finding
        for finding in findings
    ]
