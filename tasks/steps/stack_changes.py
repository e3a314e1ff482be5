"""What one `docker compose up` will change, as the plan says it."""

from clients.docker_objects import Container
from config.desired.colours import Colour, named
from tasks.core.step import Change, Kind
from tasks.steps.share import held_back
from tasks.steps.stack_actual import Actual


def of_service(name: str, colour: Colour, actual: Actual) -> list[Change]:
    """What is to be done for one service, how long it will take, and whether people notice."""
    here, known = actual.of(name, colour), named(name, colour)
    if not here and actual.containers.get(name) and colour != actual.serving(name):
        what = f"start a new {name} beside the old one"
        after = (
            f"as config says{_seconds(', ready in about', actual)}; the old one serves meanwhile"
        )
        return [by_up(Kind.START, known, what, "other image or settings", after)]
    gap = _gap(known, here, actual, _outage(name, actual))
    if not gap and actual.written.get(name, Colour.BLUE) != colour:
        what = f"name {known} in compose.yaml"
        return [by_up(Kind.CHANGE, f"name of {name}", what, "the other one", known)]
    return gap


def _outage(name: str, actual: Actual) -> str:
    """Why the service is away while it is replaced, and for how long; empty: it is not."""
    if not (why := actual.obstacles.get(name)):
        return ""
    return f"; no new one beside it: {why}{_seconds('; away for about', actual)}"


def _seconds(words: str, actual: Actual) -> str:
    """As the last start took them; nothing where none is known."""
    return f"{words} {actual.start_s:.0f} s" if actual.start_s else ""


def _gap(name: str, containers: list[Container], actual: Actual, outage: str) -> list[Change]:
    if not containers:
        return [by_up(Kind.START, name, f"start {name}", "absent", "running")]
    return _replacement(name, containers[0], actual, outage) or _repair(name, containers)


def _replacement(name: str, found: Container, actual: Actual, outage: str) -> list[Change]:
    image = actual.images.get(found.service)
    if image is not None and found.image != image:
        before, after = found.image[7:19], image[7:19] + outage
        return [by_up(Kind.CHANGE, name, f"recreate {name}", before, after)]
    if not actual.fits(found):
        outside, after = ", ".join(actual.outside(found)), f"as config says{outage}"
        before = f"not in {outside}" if outside else "other settings"
        return [by_up(Kind.CHANGE, name, f"recreate {name}", before, after)]
    return []


def _repair(name: str, containers: list[Container]) -> list[Change]:
    found = containers[0]
    if not found.ready:
        return [
            by_up(Kind.RESTART, name, f"recover {name}", found.health or found.state, "running")
        ]
    if held_back(found):
        what = f"give {name} its whole part of the processors"
        return [by_up(Kind.CHANGE, f"part of {name}", what, "that of a start", "whole")]
    if len(containers) > 1:
        return [
            by_up(
                Kind.REMOVE,
                f"extra {name}",
                f"remove {len(containers) - 1} extra {name}",
                "running",
                "one",
            )
        ]
    return []


def by_up(kind: Kind, target: str, what: str, before: str, after: str) -> Change:
    """One `up` serves every change."""
    return Change(kind, target, what, before, after, action="up")
