"""Restarting what is sick where that is allowed; never the state, never beside a deploy."""

import logging

from docker.errors import DockerException

from config.errors import RolloutError
from config.rules.health.healing import Healing, due, healed
from config.rules.health.record import Alert, Record
from tasks.core.lock import lock_file, rollout_lock
from tasks.core.site import Site
from tasks.probes.health.ask import Checkup
from tasks.probes.subjects.containers import on_every_node

log = logging.getLogger("rollout")


def heal(site: Site, seen: Checkup) -> tuple[list[Alert], Record]:
    """What was restarted, or could not be, to be told; and the record that counts it."""
    record, health = seen.record, site.environment.health
    wanted = due(record, seen.findings, health, seen.at)
    spent = tuple(healing.service for healing in wanted if healing.spent)
    if not wanted:
        return [], record.model_copy(update={"spent": spent})
    within = [healing for healing in wanted if not healing.spent]
    try:
        with rollout_lock(
            site.node, lock_file(site.environment), environment=site.name, run="health"
        ):
            done = [healing for healing in within if _restart(site, healing)]
    except RolloutError as error:
        log.warning("health: nothing is restarted: %s", error)
        done = []
    told = [Alert("healed", healing.finding, seen.at) for healing in done]
    given_up = [each for each in wanted if each.spent and each.service not in record.spent]
    told += [Alert("not-healed", healing.finding, seen.at) for healing in given_up]
    after = healed(record, [healing.service for healing in done], seen.at)
    return told, after.model_copy(update={"spent": spent})


def _restart(site: Site, healing: Healing) -> bool:
    """Every container of the service that is not well. A missing one takes a deploy."""
    sick = [
        (each, one)
        for each, one in on_every_node(site)
        if one.service == healing.service and not one.ready
    ]
    for each, one in sick:
        log.warning("health: restarting %s on %s", one.name, each.node.name)
        try:
            each.docker.restart(one.id)
        except DockerException as error:
            log.warning("health: %s does not restart: %s", one.name, error)
            return False
    return bool(sick)
