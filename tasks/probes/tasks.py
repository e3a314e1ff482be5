"""Questions about an environment as Prefect tasks."""

import logging

from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.probes.connections.all import connections
from tasks.probes.connections.connection import state
from tasks.probes.health import record
from tasks.probes.health.ask import Checkup
from tasks.steps.table import HOUR_S

log = logging.getLogger("rollout")


@task("health", within_s=HOUR_S)
def record_health(site: Site) -> Checkup:
    """Ask every part how it is, restart what may be, tell what changed, and remember it."""
    return record.record(site)


@task("peek", within_s=HOUR_S)
def peek_at_health(site: Site) -> Checkup:
    """Ask every part how it is, and leave no trace."""
    return record.peek(site)


@task("check", within_s=HOUR_S)
def check_connections(site: Site) -> list[Finding]:
    """Connect to everything the environment names, as it would."""
    findings = connections(site)
    for each in findings:
        level = logging.ERROR if each.at_fault else logging.INFO
        log.log(level, "%s %s: %s: %s", each.group, each.where, state(each), each.said)
    return findings
