"""One command in a container of its own, made from a service of the stack."""

from collections.abc import Mapping
from contextlib import suppress

from docker.errors import DockerException

from clients.command import CommandFailed
from clients.docker import NoEnd, NotRunning
from config.desired.colours import Colour, named
from config.errors import RolloutError
from config.hand_steps import Run
from tasks.core.engine import one_shot
from tasks.core.site import Site
from tasks.steps.docker import compose_prefix
from tasks.steps.written import written
from tasks.tools import compose


class JobFailed(RolloutError):
    """It ended badly, or not in its time; the text is what it wrote, secrets and all."""


def run_job(
    site: Site, run: Run, *, name: str, variables: Mapping[str, str], timeout_s: int
) -> str:
    """What the command wrote; no container of that name is left.

    Raises:
        JobFailed: its exit status, or that it did not end, with what it wrote.
    """
    command = compose.run(
        compose_prefix(site.node),
        site.environment.dify.home,
        named(run.service, written(site).get(run.service, Colour.BLUE)),
        name=name,
        environment={**run.environment, **variables},
        entrypoint=run.entrypoint,
        command=run.command,
        timeout_s=timeout_s,
    )
    said = ""
    with one_shot(site, name):
        try:
            said = site.node.attempt(command).stderr
            status, output = site.docker.ended(name, timeout_s)
        except CommandFailed as error:
            raise JobFailed(f"{error.reason}\n{_log(site, name) or error.output}") from None
        except NoEnd as error:
            raise JobFailed(str(error)) from None
        except NotRunning as error:  # Compose may end well without having made it
            raise JobFailed(f"{error}\n{said}") from None
    if status:
        raise JobFailed(f"exit status {status}\n{output}")
    return output


def _log(site: Site, name: str) -> str:
    """What the container wrote; empty where there is none, or none that can be read."""
    with suppress(DockerException, RolloutError):
        return site.docker.logs(name, lines=200)
    return ""
