"""The steps of a rollout: the only list of them. Graph, plan, forms and documentation read it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from config.errors import RolloutError
from tasks.core.site import Site
from tasks.core.step import Step
from tasks.images.copy_to_nodes import images_steps
from tasks.steps.compose import compose_steps
from tasks.steps.maintenance import reopening
from tasks.steps.migrate import migrate_steps
from tasks.steps.pgsql import pgsql_steps
from tasks.steps.settings import settings_steps

Build = Callable[[Site], Sequence[Step[Any]]]

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Row:
    """A step of a rollout.

    `within_s` seconds, times the patience, is what it may take with all of its retries; then its
    commands are ended. `after`: the steps that have to end well before it begins. `retries`: how
    often it is tried again after trouble that passes. `parts` makes what `converge` brings to where
    it should be; None for a step that only asks.
    """

    name: str
    description: str
    within_s: float
    after: tuple[str, ...] = ()
    retries: bool = True
    parts: Build | None = None


def of_platform(name: str) -> Build:
    """The parts of a step that each platform makes in its own way; none where it has no such."""

    def parts(site: Site) -> Sequence[Step[Any]]:
        build = site.platform.steps.get(name)
        return build(site) if build else []

    return parts


served = of_platform("portal")


def portal_steps(site: Site) -> Sequence[Step[Any]]:
    """The domain is served, and a page of maintenance that a run has left there is gone."""
    return [*served(site), *reopening(site)]


TABLE = (
    Row(
        "preflight",
        "Ask for everything that would stop a rollout half-way; nothing is changed.",
        within_s=10 * MINUTE_S,
    ),
    Row(
        "bootstrap",
        "Get Pigsty's source and Ansible to the admin node.",
        within_s=2 * HOUR_S,
        after=("preflight",),
        parts=of_platform("bootstrap"),
    ),
    Row(
        "configure",
        "Write what Dify needs into Pigsty's inventory, and keep the rest of it.",
        within_s=HOUR_S,
        after=("bootstrap",),
        parts=of_platform("configure"),
    ),
    Row(
        "install",
        "Install Pigsty's own infrastructure where it is missing.",
        within_s=4 * HOUR_S,
        after=("configure",),
        parts=of_platform("install"),
    ),
    Row(
        "docker",
        "Install and start Docker Engine and Compose on every node that runs Dify.",
        within_s=2 * HOUR_S,
        after=("install",),
        parts=of_platform("docker"),
    ),
    Row(
        "pgsql",
        "Make PostgreSQL ready: server, role, databases, extensions.",
        within_s=2 * HOUR_S,
        after=("docker",),
        parts=pgsql_steps,
    ),
    Row(
        "redis",
        "Make Redis ready: server, password, settings that keep queued jobs.",
        within_s=HOUR_S,
        after=("docker",),
        parts=of_platform("redis"),
    ),
    Row(
        "images",
        "Get the release's images to every node; images that a node has are not fetched again.",
        within_s=DAY_S,
        after=("docker",),
        parts=images_steps,
    ),
    Row(
        "settings",
        "Write Dify's settings, its Compose file and its proxy's, and make its folders.",
        within_s=HOUR_S,
        after=("pgsql", "redis", "images"),
        parts=settings_steps,
    ),
    Row(
        "migrate",
        "Bring the database's schema to the release.",
        within_s=DAY_S,
        after=("settings",),
        parts=migrate_steps,
    ),
    Row(
        "compose",
        "Start, replace and remove containers until the stack is the release's and healthy.",
        within_s=2 * HOUR_S,
        after=("migrate",),
        parts=compose_steps,
    ),
    Row(
        "portal",
        "Serve the domain: certificate, routes, reload of nginx.",
        within_s=HOUR_S,
        after=("compose",),
        parts=portal_steps,
    ),
    Row(
        "hosts",
        "Let this machine find the domain, where no DNS does.",
        within_s=10 * MINUTE_S,
        after=("compose",),
        parts=of_platform("hosts"),
    ),
    Row(
        "verify",
        "Prove that Dify works, from SQL to a workflow run through the domain.",
        within_s=HOUR_S,
        after=("portal", "hosts"),
        retries=False,
    ),
)
NAMES = tuple(row.name for row in TABLE)
PARTS = {row.name: row.parts for row in TABLE if row.parts}
# State goes back between these two halves of a rollout.
STATE = ("docker", "pgsql", "redis", "images")
STACK = ("settings", "migrate", "compose", "portal", "hosts")


def row(name: str) -> Row:
    """The row of that name.

    Raises:
        KeyError: there is none.
    """
    return {row.name: row for row in TABLE}[name]


def edges(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each of these steps → those of them that it waits for.

    What waits for a step that is left out waits for what that one would have waited for.
    """
    wanted = set(names)
    ends: dict[str, tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for each in TABLE:
        before = tuple(dict.fromkeys(end for name in each.after for end in ends[name]))
        ends[each.name] = (each.name,) if each.name in wanted else before
        if each.name in wanted:
            found[each.name] = before
    return found


def require_known(names: Iterable[str]) -> None:
    """Every name is a step's.

    Raises:
        RolloutError: one is not.
    """
    for name in names:
        if name not in NAMES:
            raise RolloutError(
                f"--only: unknown step {name!r}; expected one of: {', '.join(NAMES)}"
            )
