"""What served before a restore, so that it can serve again where the restore fails."""

import logging
from collections.abc import Sequence
from pathlib import Path

from clients.command import Command
from clients.files import File
from clients.node import Entry
from config.desired.services import active
from config.desired.stack import ROUTES
from config.errors import RolloutError, StepError
from config.load import load_release, release_names
from tasks.core import release_file, secret_file
from tasks.core.site import Site
from tasks.probes.verify.run import failed, verify
from tasks.steps import stack_nginx
from tasks.steps.containers import running_services, start_services, stop_services
from tasks.steps.docker import compose_prefix
from tasks.tools import compose

log = logging.getLogger("rollout")


class Served:
    """The services that ran, by default those that run now, and the stack's files on each node.

    A plain class for the reason `Site` is one.
    """

    def __init__(self, site: Site, services: Sequence[str] | None = None) -> None:
        self.site = site
        self.release = release_file.read(site.environment, site.node).version
        self.files = [_files(each) for each in site.on_each()]
        self.services = running_services(site) if services is None else list(services)

    def stop(self) -> None:
        stop_services(
            self.site, [*active(self.site.environment, self.site.release), *self.services]
        )

    def start(self) -> None:
        """The containers that were stopped run again: nothing else was changed."""
        log.info("restore: starting %s again", ", ".join(self.services))
        start_services(self.site, self.services)

    def put_back(self) -> None:
        """The stack's files are as they were, and what they describe runs, is healthy and answers.

        Raises:
            RolloutError: it does not.
        """
        for each, files in zip(self.site.on_each(), self.files, strict=True):
            for path, entry in files.items():
                content = entry.content or b""
                each.node.write(File(path, content, entry.mode, entry.owner, keep_previous=False))
            if files and self.services:
                home, wait_s = each.environment.dify.home, each.environment.dify.start_within_s
                each.node.run(compose.up(compose_prefix(each.node), home, wait_s=wait_s))
                stack_nginx.reload(each)
        if self.services and self.release in release_names():
            before = self.site.replace(release=load_release(self.release))
            if error := failed(verify(before, deep=False)):
                raise error


def failure(error: BaseException, brought_back: str) -> StepError:
    """Why the restore failed, and what serves now."""
    cause = error.cause if isinstance(error, StepError) else str(error) or type(error).__name__
    advice = error.advice if isinstance(error, StepError) else ""
    return StepError("restore", f"{cause}\n  {brought_back}", advice=advice)


def lost(error: RolloutError, safety: str, name: str) -> str:
    """The sentence for a state that could not be brought back."""
    return (
        f"what served before could not be brought back: {error}\n"
        f"  it is the point {safety}: rollout restore {name} {safety}"
    )


def _files(site: Site) -> dict[Path, Entry]:
    """The files directly in the stack's folder, and the routes.

    Without the file of secrets: those have a way back of their own, and the safety point may be the
    first one, whose repository has just got its password there.
    """
    home, kept = str(site.environment.dify.home), secret_file.path(site.environment)
    words = ("find", home, str(Path(home) / ROUTES), "-maxdepth", "1", "-type", "f", "-print0")
    done = site.node.attempt(Command(words, changes=False))
    found = site.node.look([Path(name) for name in done.stdout.split("\0") if name])
    return {path: entry for path, entry in found.items() if entry and path != kept}
