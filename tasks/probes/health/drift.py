"""What differs from the last deploy: files, images, settings. Only told; a deploy mends it."""

from collections.abc import Iterable
from typing import Any

from clients.docker_objects import Container
from config.rules.finding import Reading, Status
from tasks.core import release_file
from tasks.core.site import Site
from tasks.core.step import Step
from tasks.probes.engine import Probe
from tasks.probes.health.probe import Past, probe
from tasks.steps.firewall import Firewall
from tasks.steps.firewall_unit import RulesAtStart
from tasks.steps.networks import Networks
from tasks.steps.settings import Files

FILES = "files"
_SHOWN = 3


def probes(site: Site, past: Past) -> list[Probe]:
    advice = f"rollout plan {site.name} asks the same, and says more"
    return [probe(site, past, {FILES: ("machine",)}, _files, advice)]


def _files(site: Site, _: Past) -> list[Reading]:
    """Files, settings, networks and rules that are not as config says; values are never shown."""
    wrong: list[str] = []
    for each in site.on_each():
        steps: list[Step[Any]] = [Files(each), Networks(each), Firewall(each), RulesAtStart(each)]
        wrong += [str(change) for step in steps for change in step.plan(step.observe())]
    return [_reading(site, FILES, "as config says", wrong)]


def images(site: Site, found: Iterable[tuple[Site, Container]]) -> Reading:
    """Containers that run another image than the last deploy left."""
    deployed = {
        each.node.name: set(release_file.read(each.environment, each.node).images.values())
        for each in site.on_each()
    }
    wrong = [
        f"{one.service} runs {one.image[7:19]}"
        for each, one in found
        if (known := deployed[each.node.name]) and one.image not in known
    ]
    return _reading(site, "images", "as deployed", wrong)


def _reading(site: Site, probe: str, fine: str, wrong: list[str]) -> Reading:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Reading(
        probe,
        "; ".join(wrong[:_SHOWN]) + more if wrong else fine,
        status=Status.WARN if wrong else Status.OK,
        advice=f"rollout plan {site.name} shows it, rollout deploy {site.name} mends it",
    )
