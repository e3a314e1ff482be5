"""Opening an environment for a run: files, release, secrets, lock."""

from collections.abc import Generator
from contextlib import contextmanager

from blocks.nodes import open_node
from blocks.running import end_all
from config.environment import Environment
from config.load import load_environment, load_release
from tasks.exchange import require_ended
from tasks.lock import lock_file, rollout_lock
from tasks.sandbox.home import prepare_home
from tasks.secrets import found_secrets, known_secrets, open_secrets
from tasks.site import Site


@contextmanager
def opened(
    environment: str,
    *,
    run: str,
    release: str = "",
    dry_run: bool = False,
    half_restored: bool = False,
) -> Generator[Site]:
    """The environment's site, locked against other runs unless nothing will be changed.

    `release`: the one to use instead of what the environment's file says. A run that is cancelled
    takes the commands it waits for with it. `half_restored`: a restore that stopped half-way is no
    obstacle to this run.

    Raises:
        StepError: such a restore is to be finished first.
    """
    desired = load_environment(environment, release=release)
    if dry_run:
        yield _site(desired, save=False)
        return
    site = Site(desired, load_release(desired.dify.release), {})
    prepare_home(site)
    with rollout_lock(site.node, lock_file(desired), environment=environment, run=run):
        try:
            found = _site(desired, save=True)
            if not half_restored:
                require_ended(found)
            yield found
        except BaseException as error:
            if not isinstance(error, Exception):
                end_all()
            raise


@contextmanager
def reading(environment: str, site: Site) -> Generator[Site]:
    """The site of an environment that is only read; the one that is open already, if it is that."""
    yield site if environment == site.name else _site(load_environment(environment), save=False)


def unchanged(environment: str) -> Site:
    """The environment's site with its secrets, for a run that only looks."""
    return _site(load_environment(environment), save=False)


def asked(environment: str) -> Site:
    """The environment's site with the secrets that are known, for a run that only asks around."""
    desired = load_environment(environment)
    release = load_release(desired.dify.release)
    node = open_node(desired.nodes, desired.nodes.dify[0])
    return Site(desired, release, known_secrets(desired, release, node), node)


def stranded(environment: str) -> Site:
    """The environment's site where no Prefect server answers, with the secrets its stack has."""
    desired = load_environment(environment)
    release = load_release(desired.dify.release)
    node = open_node(desired.nodes, desired.nodes.dify[0])
    return Site(desired, release, found_secrets(desired, release, node), node)


def _site(environment: Environment, *, save: bool) -> Site:
    release = load_release(environment.dify.release)
    node = open_node(environment.nodes, environment.nodes.dify[0])
    return Site(environment, release, open_secrets(environment, release, node, save=save), node)
