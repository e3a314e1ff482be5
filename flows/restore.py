"""Bring an environment back to a restore point, and prove that it works."""

import time

from prefect import flow

from config.errors import StepError
from config.load import load_environment
from flows.parts.back_to import LossReport, back_to
from flows.parts.bring_back import bring_back
from flows.parts.forms import ReleaseName, SourceName
from flows.parts.graph import Graph
from flows.parts.opening import beside, locked
from flows.parts.restore_report import RestoreReport, publish
from flows.parts.run import recorded, this_run
from tasks.core import running_release
from tasks.points import tasks
from tasks.points.goal import moment


@flow(name="restore", flow_run_name="restore {environment}", persist_result=False)
@recorded
def restore(
    environment: str,
    point: str = "latest",
    source: SourceName = "",
    only: list[str] | None = None,
    confirm: str = "",
    to_time: str = "",
    preview: bool = False,
    release: ReleaseName = "",
    migrate: bool = False,
) -> RestoreReport | LossReport:
    """Restore the environment, or parts of it; its state now is saved as a point first.

    Args:
        environment: A file of config/environments.
        point: A restore point, like 20261124T023000Z, or latest.
        source: Another environment to clone; empty for its own points.
        only: Only these parts, or one file, like storage/upload_files/…; none means all.
        confirm: The environment's own name, where it is protected, and with `to_time`.
        to_time: On Pigsty, instead of a point: the moment its whole cluster goes back to, like
            2026-11-24T12:30:00+00:00.
        preview: Only show what going back to that moment would undo.
        release: Dify's version; empty for the one the environment's file names.
        migrate: Let a release that is newer than the point move its schema up.
    """
    began = time.monotonic()
    if to_time:
        target = moment(to_time)
        run = this_run()
        return back_to(environment, target, run=run, preview=preview, confirm=confirm)
    if preview:
        raise StepError("restore", "preview shows what to_time undoes; expected to_time with it")
    require_confirmed(environment, confirm)
    with (
        locked(environment, run=this_run(), release=release, half_restored=True) as site,
        beside(source or environment, site) as origin,
    ):
        graph = Graph(site)
        asked = {"point": point, "only": only or [], "release": release, "migrate": migrate}
        choice = graph.run(tasks.choose, source=origin, **asked)
        done, checks = bring_back(graph, site, choice)
        report = RestoreReport(
            environment,
            choice.point.id,
            done.parts,
            done.safety,
            (*done.notes, *running_release.notes(site)),
            tuple(checks),
            time.monotonic() - began,
        )
        publish(report)
        return report


def require_confirmed(environment: str, confirm: str) -> None:
    """A protected environment is only restored by somebody who says which one it is."""
    if load_environment(environment).protected and confirm != environment:
        raise StepError(
            "restore",
            f"{environment} is protected",
            advice=f"run it again with confirm = {environment!r}",
        )
