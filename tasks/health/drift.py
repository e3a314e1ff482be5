"""What differs from the last deploy: files, images, settings. Only told; a deploy mends it."""

from functools import partial

from config.desired.health.verdict import Reading, Status
from tasks import release_file
from tasks.health.containers import DOCKER, on_every_node
from tasks.health.question import Answer, Past, Question
from tasks.settings import Files
from tasks.site import Site

FILES, IMAGES = "files", "images"
_SHOWN = 3


def questions(site: Site) -> list[Question]:
    return [
        Question({FILES: ("machine",)}, partial(_files, site)),
        Question({IMAGES: (DOCKER, "machine")}, partial(_images, site)),
    ]


def _files(site: Site, _: Past) -> Answer:
    """Rendered files and settings that are not as config says; values are never shown."""
    wrong: list[str] = []
    for each in site.on_each():
        step = Files(each)
        wrong += [change.what for change in step.plan(step.observe())]
    return Answer([_reading(site, FILES, "as config says", wrong)])


def _images(site: Site, _: Past) -> Answer:
    """Containers that run another image than the last deploy left."""
    wrong = [
        f"{one.service} runs {one.image[7:19]}"
        for each, one in on_every_node(site)
        if (deployed := release_file.read(each.environment, each.node).images)
        and one.image not in deployed.values()
    ]
    return Answer([_reading(site, IMAGES, "as deployed", wrong)])


def _reading(site: Site, probe: str, fine: str, wrong: list[str]) -> Reading:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Reading(
        probe,
        "; ".join(wrong[:_SHOWN]) + more if wrong else fine,
        status=Status.WARN if wrong else Status.OK,
        advice=f"rollout plan {site.name} shows it, rollout deploy {site.name} mends it",
    )
