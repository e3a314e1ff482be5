"""An upgrade beside the environment, measured: to the newest release that is known, or to one."""

import logging

from prefect import flow

from config.load import release_names
from config.rules.upgrade import newest_above
from flows.parts.forms import ReleaseName
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.rehearsing import rehearsed
from flows.parts.run import recorded, this_run
from flows.parts.upgrade_report import UpgradeReport, publish
from tasks.core import release_file
from tasks.core.site import without_secrets
from tasks.upgrades import tasks

log = logging.getLogger("rollout")


@flow(name="rehearsal", flow_run_name="rehearsal {environment}", persist_result=False)
@recorded
def rehearsal(environment: str, to: ReleaseName = "") -> UpgradeReport | None:
    """Upgrade a copy from the newest restore point, measure it, and throw it away.

    Where no newer release is known there is nothing to do.

    Args:
        environment: A file of config/environments.
        to: Dify's version; empty for the newest one that config/releases has.
    """
    wanted = to or _newest(environment)
    if not wanted:
        log.info("rehearsal: config/releases has nothing newer than what %s runs", environment)
        return None
    with locked(environment, run=this_run(), release=wanted) as site:
        graph = Graph(site)
        report = rehearsed(graph, site, graph.run(tasks.find_way))
    publish(report, "rehearsal")
    return report


def _newest(environment: str) -> str:
    """The release to rehearse; empty where none is newer, or none runs."""
    site = without_secrets(environment)
    runs = release_file.read(site.environment, site.node).version
    return newest_above(runs, release_names())
