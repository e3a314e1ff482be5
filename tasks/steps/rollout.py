"""A step of the table brought to where it should be, and the plan: all observed, none applied."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from config.errors import NotKnown
from tasks.core.side_by_side import answers
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Outcome, Step, converge
from tasks.core.verified_mark import unmark
from tasks.steps.table import PARTS

log = logging.getLogger("rollout")


def carry_out(site: Site, name: str, *, dry_run: bool = False) -> Outcome:
    """Bring one step's parts, in order, to where they should be."""
    return carry_out_parts(site, name, PARTS[name](site), dry_run=dry_run)


def carry_out_parts(
    site: Site, name: str, parts: Sequence[Step[Any]], *, dry_run: bool = False
) -> Outcome:
    """Bring these parts of a step, in order, to where they should be."""
    total = Outcome(name, (), 0.0, applied=False)
    for part in parts:
        try:
            total += converge(
                part, dry_run=dry_run, patience=site.within(1), before=partial(unmark, site)
            )
        except NotKnown as error:
            if not dry_run or not (total.changes or total.blocked):
                raise
            total += later(name, error)
            break
    verb = "would change" if dry_run else "changed"
    log.info("%s: %d %s, %.1f s", name, len(total.changes), verb, total.seconds)
    return total


def plan(site: Site, *, only: Sequence[str]) -> list[Outcome]:
    """What a rollout would change, in the order of the steps.

    All look at once: where nothing is applied, no step changes what another one sees.

    Raises:
        RolloutError: the first failure, in the order of the steps.
    """
    site.platform.prefetch(site, only)
    wanted = [name for name in PARTS if not only or name in only]
    found = answers(partial(_looked, site), wanted, len(PARTS))
    outcomes: list[Outcome] = []
    for name, seen in zip(wanted, found, strict=True):
        if not isinstance(seen, NotKnown):
            outcomes.append(seen)
        elif any(outcome.changes or outcome.blocked for outcome in outcomes):
            outcomes.append(later(name, seen))
        else:
            raise seen
    return outcomes


def later(name: str, error: NotKnown) -> Outcome:
    """What a plan says of a step that sees nothing until earlier changes are made."""
    what = f"look at {name} again once the changes above are made"
    return Outcome(
        name, (Change(Kind.CHANGE, name, what, str(error), "not known yet"),), 0.0, applied=False
    )


def _looked(site: Site, name: str) -> Outcome | NotKnown:
    try:
        return carry_out(site, name, dry_run=True)
    except NotKnown as error:
        return error
