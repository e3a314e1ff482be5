"""What the containers of a new release wrote of their trouble, before a way back removes them."""

import re

from docker.errors import DockerException

from config.errors import RolloutError
from tasks.core.masking import masked
from tasks.core.site import Site

LINES, WIDTH = 5, 300
_READ = 300
_TROUBLE = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|error|fatal|panic)\b|(?:Error|Exception):")


def of_trouble(log: str) -> list[str]:
    """The last lines that tell of trouble, shortened."""
    return [line.strip()[:WIDTH] for line in log.splitlines() if _TROUBLE.search(line)][-LINES:]


def last_words(site: Site) -> list[str]:
    """`SERVICE: line` of the containers on every node; none of a node that does not answer."""
    found: list[str] = []
    for each in site.on_each():
        try:
            for one in each.docker.containers(site.environment.dify.project):
                text = masked(each.docker.logs(one.id, _READ), site)
                found += [f"{one.service}: {line}" for line in of_trouble(text)]
        except (DockerException, RolloutError, OSError):
            continue
    return found
