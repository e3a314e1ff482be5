"""Take an environment on Pigsty back to a moment, or show what that would undo."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.errors import StepError
from flows.parts import recording
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.restore_report import RestoreReport, publish
from flows.parts.to_goal import notes, to_goal
from tasks.points import tasks
from tasks.points.goal import at_moment
from tasks.points.pitr import Loss
from tasks.points.replaced import DATABASES


@dataclass(frozen=True, slots=True)
class LossReport:
    """What going back would undo."""

    environment: str
    loss: Loss


def loss_rows(loss: Loss) -> list[dict[str, Any]]:
    """One line for each thing people ask before they go back."""
    span = loss.now.replace(microsecond=0) - loss.target.replace(microsecond=0)
    return [
        {"undone": "time", "what": f"{span} since {loss.target.isoformat()}"},
        {"undone": "WAL", "what": f"now at {loss.lsn}; recovery starts from {loss.backup}"},
        *(
            {"undone": f"new {table}", "what": str(count)}
            for table, count in loss.rows.items()
            if count
        ),
        {"undone": "other databases, too", "what": ", ".join(loss.others) or "none"},
        {"undone": "restore points since (they stay)", "what": ", ".join(loss.points) or "none"},
    ]


def back_to(
    environment: str, target: datetime, *, run: str, preview: bool, confirm: str
) -> RestoreReport | LossReport:
    """State goes back first, then comes a rollout's second half. Read top to bottom."""
    if preview:
        with locked(environment, run=run, dry_run=True) as site:
            loss = Graph(site).run(tasks.preview_loss, target=target)
        report = LossReport(environment, loss)
        key = environment.replace("_", "-")
        rows = loss_rows(loss)
        recording.table(f"loss-{key}", rows, "What going back undoes")
        return report
    _require_confirmed(environment, confirm)
    began = time.monotonic()
    with locked(environment, run=run, half_restored=True) as site:
        graph = Graph(site)
        done, checks = to_goal(graph, at_moment(environment, target))
        unsaved = graph.run(tasks.back_up)
    restored = RestoreReport(
        environment,
        target.isoformat(),
        DATABASES,
        done.safety,
        notes(unsaved),
        tuple(checks),
        time.monotonic() - began,
    )
    publish(restored)
    return restored


def _require_confirmed(environment: str, confirm: str) -> None:
    """The whole cluster goes back: whoever wants that says which environment's it is."""
    if confirm != environment:
        raise StepError(
            "restore",
            f"going back takes the whole cluster of {environment} with it",
            advice=f"look at it with preview; then run it again with confirm = {environment!r}",
        )
