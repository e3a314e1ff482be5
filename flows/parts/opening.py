"""Opening an environment for a run: files, release, secrets, lock."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

from pydantic import SecretStr

from clients import running
from clients.node import Node
from config.environment import Environment
from config.load import load_environment, load_release
from config.release import Release
from tasks.core import adoption_mark, secrets, upgrade_mark
from tasks.core.first_use import require_unused
from tasks.core.lock import lock_file, rollout_lock
from tasks.core.open_node import open_node
from tasks.core.owner_mark import require_own
from tasks.core.promotion import promoted
from tasks.core.release_file import Promoted
from tasks.core.site import Site
from tasks.points.interrupted_restore import require_ended

Secrets = Callable[[Environment, Release, Node], dict[str, SecretStr]]

_saved: Secrets = partial(secrets.open_secrets, save=True)
_looked_up: Secrets = partial(secrets.open_secrets, save=False)


@contextmanager
def locked(
    environment: str,
    *,
    run: str,
    release: str = "",
    promote_from: str = "",
    dry_run: bool = False,
    half_restored: bool = False,
    half_upgraded: bool = False,
    half_adopted: bool = False,
) -> Generator[Site]:
    """The environment's site, locked against other runs unless nothing will be changed.

    `release`: the one to use instead of what the environment's file says. `promote_from`: the
    environment whose release and images it gets instead. A run that is cancelled
    takes the commands it waits for with it. `half_upgraded`: an upgrade that stopped half-way is
    no obstacle to this run. `half_restored`: neither is a restore that did, nor what lies where an
    environment would be that was never used. `half_adopted`: neither is an adoption or a restore.

    Raises:
        StepError: such a restore, upgrade or adoption is to be finished first; somebody else's
            Dify is in the way.
    """
    source = promoted(promote_from) if promote_from else None
    desired = load_environment(environment, release=source.release if source else release)
    first_look = None if half_restored else require_unused
    if dry_run:
        yield _site(desired, _looked_up, source, first_look, adopting=half_adopted)
        return
    site = Site(desired, load_release(desired.dify.release), {})
    site.platform.prepare(site)
    with (
        rollout_lock(site.node, lock_file(desired), environment=environment, run=run),
        running.cancellable(),
    ):
        running.begin()
        found = _site(desired, _saved, source, first_look, adopting=half_adopted)
        if not (half_restored or half_adopted):
            require_ended(found)
            adoption_mark.require_none(found)
        if not (half_restored or half_upgraded):
            upgrade_mark.require_none(found)
        yield found


@contextmanager
def beside(environment: str, site: Site) -> Generator[Site]:
    """The site of an environment that is only read; the one that is open already, if it is that."""
    yield site if environment == site.name else _site(load_environment(environment), _looked_up)


def read_only(environment: str) -> Site:
    """The environment's site, unlocked, with all its secrets: the unknown ones are made up."""
    return _site(load_environment(environment), secrets.found_secrets)


def known_secrets(environment: str) -> Site:
    """The environment's site, unlocked, with the secrets that are known now and no others."""
    return _site(load_environment(environment), secrets.known_secrets)


def _site(
    environment: Environment,
    values: Secrets,
    source: Promoted | None = None,
    first_look: Callable[[Site], None] | None = None,
    *,
    adopting: bool = False,
) -> Site:
    """The site. `first_look` comes before any secret is saved: what it refuses stays unclaimed."""
    release = load_release(environment.dify.release)
    node = open_node(environment.nodes, environment.nodes.dify[0])
    require_own(environment, node)
    if first_look:
        first_look(Site(environment, release, {}, node, adopting=adopting))
    known = values(environment, release, node)
    return Site(environment, release, known, node, promoted=source, adopting=adopting)
