"""Which bad finding explains which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from config.rules.finding import Finding

# The probe that explains what a deploy or restore takes down.
ROLLOUT = "rollout"


def explained(findings: Sequence[Finding], known_bad: Iterable[str] = ()) -> list[Finding]:
    """Each bad finding names the root that explains it, if what it needs is bad as well.

    `known_bad`: probes that were bad before and are not yet known to be good again.
    """
    bad = {finding.probe for finding in findings if finding.bad} | set(known_bad)
    needs = {finding.probe: finding.needs for finding in findings}
    return [
        replace(finding, because=_root(finding.probe, needs, bad)) if finding.bad else finding
        for finding in findings
    ]


def _root(probe: str, needs: Mapping[str, tuple[str, ...]], bad: set[str]) -> str:
    """The last bad probe on the way down; empty if nothing this one needs is bad."""
    found, seen = "", {probe}
    while True:
        lower = [name for name in needs.get(probe, ()) if name in bad and name not in seen]
        if not lower:
            return found
        found = probe = lower[0]
        seen.add(probe)
