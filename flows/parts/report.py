"""What a run did or would do, and the rows people read of it; light to import."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from config.rules.finding import Finding
from tasks.adoption import beside
from tasks.core import running_release
from tasks.core.site import Site
from tasks.core.step import Outcome
from tasks.steps.images import rehearsal_images


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did or, in a dry run, would do; `seconds` is the whole run."""

    environment: str
    release: str
    run: str
    url: str
    seconds: float
    outcomes: tuple[Outcome, ...] = ()
    checks: tuple[Finding, ...] = ()
    rehearsal: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> int:
        return sum(len(outcome.changes) for outcome in self.outcomes)

    @property
    def blocked(self) -> int:
        """How many things are in the way."""
        return sum(len(outcome.blocked) for outcome in self.outcomes)

    @property
    def counted(self) -> str:
        """As people read it: `3 changes, 1 thing in the way`."""
        things = "thing" if self.blocked == 1 else "things"
        way = f", {self.blocked} {things} in the way" if self.blocked else ""
        return f"{self.changes} changes{way}"

    def would_change(self, work: str) -> str:
        """The title of a plan. `work`: with its article, like `an upgrade`."""
        return f"What {work} of {self.environment} would change"

    def in_the_way(self, work: str) -> str:
        """The title of what is in the way of the work."""
        return f"What is in the way of {work} of {self.environment}"

    @property
    def fingerprint(self) -> str:
        """A plan's identity: the same changes of the same values, not when they were found."""
        rows = json.dumps(
            [self.environment, self.release, plan_rows(self.outcomes), blocked_rows(self.outcomes)]
        )
        return hashlib.sha256(rows.encode()).hexdigest()[:12]


def report_on(
    site: Site,
    *,
    began: float,
    outcomes: Sequence[Outcome] = (),
    checks: Sequence[Finding] = (),
    run: str = "",
) -> Report:
    """The report of what began at this reading of the monotonic clock and has just ended."""
    return Report(
        environment=site.name,
        release=site.release.version,
        run=run,
        url=site.environment.public_url,
        seconds=time.monotonic() - began,
        outcomes=tuple(outcomes),
        checks=tuple(checks),
        rehearsal=tuple(rehearsal_images(site)),
        notes=(*running_release.notes(site), *beside.notes(site)),
    )


def blocked_rows(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    """One row for each thing that is in the way, in the order of the steps."""
    return [
        {"step": outcome.step, "what": each.what, "why": each.why, "do": each.do}
        for outcome in outcomes
        for each in outcome.blocked
    ]


def plan_rows(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    """One row a change, in the order of the steps."""
    return [
        {"step": outcome.step, "what": c.what, "before": c.before, "after": c.after}
        for outcome in outcomes
        for c in outcome.changes
    ]


def step_rows(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    return [
        {"step": o.step, "changed": len(o.changes), "seconds": round(o.seconds, 2)}
        for o in outcomes
    ]


def check_rows(checks: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Failed checks first: they are what the reader is looking for."""
    return [
        {
            "check": c.probe,
            "result": "ok" if c.ok else "FAILED",
            "detail": c.said,
            "seconds": round(c.seconds, 2),
        }
        for c in sorted(checks, key=lambda c: c.ok)
    ]
