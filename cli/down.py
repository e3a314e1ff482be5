"""`rollout down`: stop an environment, and delete it if asked to."""

import shutil
import sys
from pathlib import Path

import typer

from config.environment import Environment
from config.errors import RolloutError
from config.load import load_environment, load_release


def down(name: str, *, purge: bool, yes: bool) -> None:
    """Stop containers and, in the sandbox, nginx, Prefect, Redis and PostgreSQL.

    Docker Engine is the machine's and stays. `purge` says what it deletes and asks first.
    """
    from tasks.core.owner_mark import require_own
    from tasks.core.site import Site
    from tasks.steps import containers, hosts

    environment = load_environment(name)
    site = Site(environment, load_release(environment.dify.release), {})
    home = site.platform.folder(environment) if purge else None
    if purge and home is None:
        raise RolloutError(f"--purge: {name} is not a sandbox; expected its data to be kept")
    require_own(environment, site.node)
    if home:
        _confirm(home, yes=yes)
        _forget(environment)
    containers.down(site)
    typer.echo(f"stopped the containers of {environment.dify.project}")
    if stopped := site.platform.stop(site):
        typer.echo(f"stopped {', '.join(stopped[:-1])} and {stopped[-1]}")
    if home:
        hosts.remove(site)
        _delete(home)
        typer.echo(f"deleted {home}; images and Docker Engine are kept")


def _forget(environment: Environment) -> None:
    """No block of a configured server has a secret of it; the sandbox's own goes with its data."""
    from prefect.settings import PREFECT_API_URL

    from blocks import repository, secrets

    if PREFECT_API_URL.value() not in (
        None,
        f"http://127.0.0.1:{environment.sandbox.prefect_port}/api",
    ):
        for block in (secrets, repository):
            block.delete(environment.name)


def _confirm(home: Path, *, yes: bool) -> None:
    real = home.resolve()
    typer.echo(f"--purge deletes {real}: databases, uploads, tenant keys, certificates, secrets")
    if yes:
        return
    if not sys.stdin.isatty():
        raise RolloutError("--purge needs --yes where nobody can be asked")
    typer.confirm("Delete all of it?", abort=True)


def _delete(home: Path) -> None:
    real = home.resolve()
    if real.exists():
        shutil.rmtree(real)
    if home.is_symlink():
        home.unlink()
