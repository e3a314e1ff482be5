"""Copies of the other Dify's compose file and `.env`, for its restore points."""

import logging
from pathlib import Path

from clients.command import Command
from tasks.adoption.origin import Origin
from tasks.core.site import Site

log = logging.getLogger("rollout")


def place(site: Site) -> Path:
    """The folder of the environment that has the copies while an adoption goes on."""
    return site.environment.dify.data / ".adopted"


def copy(site: Site, origin: Origin) -> None:
    """Copy the files directly in the other Dify's folder.

    Beside them that folder may hold volumes, which are no files of a stack.
    """
    folder = place(site)
    site.node.run(Command(("install", "-d", "-m", "0700", str(folder))))
    words = ("find", origin.folder, "-maxdepth", "1", "-type", "f", "-exec")
    copies = ("cp", "--preserve=mode,timestamps", "-t", str(folder), "{}", "+")
    done = site.node.attempt(Command((*words, *copies)))
    if done.status != 0:
        log.warning("adopt: the files in %s were not saved: %s", origin.folder, done.stderr.strip())


def remove(site: Site) -> None:
    """They are in the restore points."""
    site.node.run(Command(("rm", "-rf", str(place(site)))))
