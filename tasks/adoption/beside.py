"""Difys of others on a machine on which nothing of the environment is deployed yet."""

from clients.docker_stacks import Stacks
from tasks.adoption.origin import API
from tasks.core import release_file
from tasks.core.site import Site


def notes(site: Site) -> list[str]:
    """A sentence that names them, for people who plan the first deploy."""
    if release_file.read(site.environment, site.node).version or site.docker.trouble():
        return []
    own = site.environment.dify.project
    found = [name for name in Stacks(site.node).projects(API) if name != own]
    if not found:
        return []
    return [
        f"{site.node.name} has another Dify (compose project {', '.join(found)}), which no deploy "
        f"touches; rollout adopt {site.name} takes it over"
    ]
