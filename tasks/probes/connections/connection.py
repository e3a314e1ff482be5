"""One connection an environment names, as a probe; how it stands is one of three states."""

from collections.abc import Callable
from enum import StrEnum

from config.rules.finding import Finding
from tasks.probes.engine import Probe

# Each client has limits of its own, which are shorter.
WITHIN_S = 120


class State(StrEnum):
    """`LATER`: there is nothing to ask before something else was done, like a first deploy."""

    OK = "ok"
    LATER = "later"
    FAILED = "failed"


def connection(kind: str, key: str, where: str, ask: Callable[[], str], advice: str) -> Probe:
    """`key` names it in the environment's file, `where` is what stands there.

    `ask` really connects: it returns what answered, or raises a RolloutError or NotYet.
    """
    return Probe(key, ask, within_s=WITHIN_S, advice=advice, group=kind, where=where)


def state(finding: Finding) -> State:
    if finding.ok:
        return State.OK
    return State.FAILED if finding.at_fault else State.LATER
