"""Whose the containers of the compose project are: another stack may have its name."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from clients.docker_objects import Container
from config.errors import StepError
from tasks.core.release_file import RELEASE, ReleaseFile
from tasks.core.site import Site


def other_folder(site: Site, containers: Sequence[Container]) -> str:
    """The folder of another stack whose containers these are; empty if there is none.

    A folder of this environment that has moved is its own.
    """
    home = str(site.environment.dify.home)
    folders = dict.fromkeys(each.folder for each in containers if each.folder not in ("", home))
    return next((folder for folder in folders if not _own(site, Path(folder))), "")


def require_own_project(site: Site, containers: Sequence[Container]) -> None:
    """No container of the project is another stack's.

    Raises:
        StepError: one is.
    """
    if folder := other_folder(site, containers):
        raise StepError("compose", why(site, folder), advice=way_on(site))


def why(site: Site, folder: str) -> str:
    project = site.environment.dify.project
    return f"the compose project {project} on {site.node.name} is another stack's, of {folder}"


def way_on(site: Site) -> str:
    return (
        f"set dify.project in config/environments/{site.name}.toml to another name; a Dify that "
        f"runs there is taken over by rollout adopt {site.name}"
    )


def _own(site: Site, folder: Path) -> bool:
    content = site.node.read(folder / RELEASE) or b"{}"
    try:
        return ReleaseFile.model_validate_json(content).environment == site.name
    except ValidationError:
        return False
