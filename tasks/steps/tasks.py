"""The steps of a rollout as Prefect tasks, named and described by their table."""

import logging
from collections.abc import Callable
from typing import Any

from prefect.tasks import Task

from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.core.step import Outcome
from tasks.core.tasks import OfSite, P, R, SiteTask, task
from tasks.core.verified_mark import prove
from tasks.images.copy_to_nodes import copy_steps, fetch_steps
from tasks.probes.preflight.checks import preflight as findings
from tasks.probes.preflight.checks import require, schema
from tasks.steps import rollout as work
from tasks.steps import switch
from tasks.steps.compose import compose_steps, switch_steps
from tasks.steps.maintenance import close, prepare, reopen
from tasks.steps.table import MINUTE_S, portal_steps, row, served

log = logging.getLogger("rollout")


def _step(name: str) -> Callable[[OfSite[P, R]], SiteTask[P, R]]:
    """The task of a row of the table."""
    found = row(name)
    return task(
        name,
        within_s=found.within_s,
        description=found.description,
        retries=found.retries,
    )


@task("plan", within_s=30 * MINUTE_S)
def plan(site: Site, *, only: list[str]) -> list[Outcome]:
    """Observe every step and list what a rollout would change; nothing is applied."""
    return work.plan(site, only=only)


@_step("preflight")
def preflight(site: Site) -> None:
    require(findings(site, schema(site)))
    log.info("preflight: fine")


@_step("bootstrap")
def bootstrap(site: Site) -> Outcome:
    return work.carry_out(site, "bootstrap")


@_step("configure")
def configure(site: Site) -> Outcome:
    return work.carry_out(site, "configure")


@_step("install")
def install(site: Site) -> Outcome:
    return work.carry_out(site, "install")


@_step("docker")
def docker(site: Site) -> Outcome:
    return work.carry_out(site, "docker")


@_step("pgsql")
def pgsql(site: Site) -> Outcome:
    return work.carry_out(site, "pgsql")


@_step("redis")
def redis(site: Site) -> Outcome:
    return work.carry_out(site, "redis")


@_step("images")
def images(site: Site) -> Outcome:
    return work.carry_out_parts(site, "images", fetch_steps(site))


@task("copy images", within_s=row("images").within_s, each="node", retries=True)
def copy_images(site: Site, node: str) -> Outcome:
    """Send to a further node what it lacks of the images that the first one has."""
    return work.carry_out_parts(site, "images", copy_steps(site, node))


@_step("settings")
def settings(site: Site) -> Outcome:
    return work.carry_out(site, "settings")


@_step("migrate")
def migrate(site: Site) -> Outcome:
    return work.carry_out(site, "migrate")


@_step("compose")
def compose(site: Site, *, kept: bool = False) -> Outcome:
    """`kept`: what was replaced runs on, until the step is carried out once more."""
    parts = switch_steps(site) if kept else compose_steps(site)
    return work.carry_out_parts(site, "compose", parts)


@_step("portal")
def portal(site: Site, *, closed: bool = False) -> Outcome:
    """`closed`: a page of maintenance stays until what is behind it is proved."""
    return work.carry_out_parts(site, "portal", served(site) if closed else portal_steps(site))


@_step("hosts")
def hosts(site: Site) -> Outcome:
    return work.carry_out(site, "hosts")


@_step("verify")
def verify(site: Site, *, changed: bool) -> list[Finding]:
    checks = prove(site, changed=changed)
    log.info("verify: %d of %d checks passed", len(checks), len(checks))
    return checks


@task("prepare page", within_s=MINUTE_S, retries=True)
def prepare_page(site: Site) -> None:
    """Lay the page of maintenance beside the domain's server, which may still be to come."""
    prepare(site)


@task("close portal", within_s=row("portal").within_s, retries=True)
def close_portal(site: Site) -> Outcome:
    """Show people a page of maintenance at the domain, while Dify is being replaced."""
    return close(site)


@task("reopen portal", within_s=row("portal").within_s, retries=True)
def reopen_portal(site: Site) -> Outcome:
    """Take the page of maintenance away: the domain leads to Dify again."""
    return reopen(site)


@task("plan a way back", within_s=MINUTE_S)
def plan_back(site: Site) -> Outcome:
    """List the old containers that still run beside new ones; nothing is applied."""
    return switch.plan(site)


@task("switch back", within_s=row("compose").within_s)
def switch_back(site: Site) -> Outcome:
    """Lead back to the old containers that still run, and let the new ones end."""
    return switch.switch_back(site)


STEPS: dict[str, Task[..., Any]] = {
    each.name: each
    for each in (
        preflight, bootstrap, configure, install, docker, pgsql, redis, images, settings, migrate,
        compose, portal, hosts, verify,
    )
}  # fmt: skip
# What each further node gets from the first, in a task of its own once that has done the step.
COPIES: dict[str, Task[..., Any]] = {"images": copy_images}
