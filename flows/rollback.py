"""Back to the release and the data from before the last upgrade."""

from dataclasses import replace

from prefect import flow

from flows.parts import history
from flows.parts.forms import Reason
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.run import recorded, this_run
from flows.parts.upgrade_report import Laps, UpgradeReport, publish
from flows.parts.upgrading import back
from tasks.core import upgrade_mark
from tasks.core.site import Site, without_secrets
from tasks.core.upgrade_mark import Upgrade
from tasks.upgrades import tasks
from tasks.upgrades.environment_file import follow


@flow(name="rollback", flow_run_name="rollback {environment}", persist_result=False)
@recorded
def rollback(environment: str, confirm: str = "", reason: Reason = "") -> UpgradeReport:
    """Undo the last upgrade: database, files, secrets, settings and images of before serve again.

    What is there now is saved as a restore point first. Without `confirm` the run says what is
    newer than the point it would go back to, and changes nothing.

    Args:
        environment: A file of config/environments.
        confirm: The environment's own name.
        reason: Why, for the history. No secrets.
    """
    run = this_run()
    with locked(environment, run=run, release=_release(environment), half_restored=True) as site:
        graph = Graph(site)
        mark = graph.run(tasks.last, confirm=confirm)
        history.begin(site, reason=reason)
        history.hop(mark.new, mark.old)
        report = gone_back(graph, site, mark)
    said = follow(environment, mark.old)
    report = replace(report, notes=(*report.notes, *([said] if said else [])))
    publish(report, "rollback")
    history.upgraded(report)
    return report


def gone_back(graph: Graph, site: Site, mark: Upgrade) -> UpgradeReport:
    """What came of the way back."""
    laps = Laps()
    with laps.lap("way back"):
        checks, notes = back(graph)
    return UpgradeReport(
        site.name,
        mark.new,
        mark.old,
        mark.point,
        mark.proved,
        laps.seconds,
        laps.seconds,
        tuple(laps.parts),
        tuple(checks),
        tuple(notes),
        serves=mark.old,
    )


def _release(environment: str) -> str:
    """The release to go back to; the file's where there is none, which is refused later."""
    site = without_secrets(environment)
    found = upgrade_mark.read(site)
    return found.old if found else site.release.version
