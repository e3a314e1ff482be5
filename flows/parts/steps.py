"""The steps of a rollout as Prefect tasks: a name, logging, and nothing else."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flows.parts.tasks import RolloutTask, finish, step
from flows.parts.transfers import transfers
from tasks.core.site import Site
from tasks.core.step import Outcome
from tasks.core.verified_mark import prove
from tasks.probes.preflight.checks import preflight as find
from tasks.probes.preflight.checks import require, schema
from tasks.probes.verify.probe import Check
from tasks.steps.table import carry_out
from tasks.steps.table import plan as look

log = logging.getLogger("rollout")


def _step(
    name: str, around: Callable[[Site], AbstractContextManager[Any]] = nullcontext
) -> RolloutTask:
    """The task of one step of a rollout."""

    def run(site: Site) -> Outcome:
        with around(site):
            return carry_out(site, name)

    return step(run, name)


def _preflight(site: Site) -> None:
    require(find(site, schema(site)))
    log.info("preflight: fine")


def _verify(site: Site, *, changed: bool) -> list[Check]:
    checks = prove(site, changed=changed)
    log.info("verify: %d of %d checks passed", len(checks), len(checks))
    return checks


preflight = step(_preflight, "preflight")
plan = step(look, "plan")
bootstrap = _step("bootstrap")
configure = _step("configure")
install = _step("install")
docker = _step("docker")
pgsql = _step("pgsql")
redis = _step("redis")
images = _step("images", around=transfers)
settings = _step("settings")
migrate = _step("migrate")
compose = _step("compose")
portal = _step("portal")
hosts = _step("hosts")
verify = step(_verify, "verify")


def second_half(site: Site) -> list[Check]:
    """What follows once state is where it should be: settings, schema, services, portal, proof."""
    for each in (settings, migrate, compose, portal, hosts):
        finish(each, site)
    checks: list[Check] = finish(verify, site, changed=True)
    return checks
