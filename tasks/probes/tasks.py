"""Questions about an environment as Prefect tasks."""

import logging

from blocks.health_record import Stored
from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.probes.connections.all import connections
from tasks.probes.connections.connection import state
from tasks.probes.health.ask import Checkup, Round
from tasks.probes.health.record import keep
from tasks.steps.table import HOUR_S

log = logging.getLogger("rollout")


@task("ask", within_s=HOUR_S, each="group")
def ask_group(site: Site, group: str, *, going: Round) -> list[Finding]:
    """Ask one group of an environment's parts how they are; nothing is changed."""
    return going.ask(group)


@task("record", within_s=HOUR_S)
def record_health(site: Site, *, kept: Stored, seen: Checkup) -> Checkup:
    """Restart what may be, tell people what changed, and remember it for the next run."""
    return keep(site, kept, seen)


@task("check", within_s=HOUR_S)
def check_connections(site: Site) -> list[Finding]:
    """Connect to everything the environment names, as it would."""
    findings = connections(site)
    for each in findings:
        level = logging.ERROR if each.at_fault else logging.INFO
        log.log(level, "%s %s: %s: %s", each.group, each.where, state(each), each.said)
    return findings
