"""What was replaced ends what it had begun, once what replaced it has proved itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.docker_objects import Container
from config.errors import StepError
from tasks.core.masking import masked
from tasks.core.nodes import on_node
from tasks.core.side_by_side import answers
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps.ahead import Sight
from tasks.steps.back import lead_back
from tasks.steps.ending import drained
from tasks.steps.pairs import Pair, pairs
from tasks.steps.watch import trouble
from tasks.steps.workers import hand_over

OfSite = tuple[Site, list[Pair]]


@dataclass(frozen=True, slots=True)
class Drain:
    """On no node is a container left beside the one that has replaced it."""

    sites: Sequence[Site]
    sight: Sight
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> list[tuple[Site, Container]]:
        return [(site, one) for site in self.sites for one in self.sight.ahead(site).old]

    def plan(self, actual: list[tuple[Site, Container]]) -> list[Change]:
        return [
            Change(
                Kind.STOP, f"old {one.service}",
                on_node(self.sites, site, f"let the old {one.service} end and remove it"),
                one.state, "absent", "drain",
            )
            for site, one in actual
        ]  # fmt: skip

    def apply(self, change: Change) -> None:
        self.sight.forget()
        found = [(site, pairs(site)) for site in self.sites]
        if wrong := "; ".join(filter(None, answers(_wrong, found, len(found)))):
            raise _gone_back(found, wrong)
        old = [(site, one.old) for site, them in found for one in them]
        answers(lambda each: drained(*each), old, len(old) or 1)


def _wrong(of: OfSite) -> str:
    """What is wrong with what is new on a node; the old workers have left their queues then."""
    site, found = of
    names = [one.service for one in found]
    return (hand_over(site, found) or trouble(site, names)) if found else ""


def _gone_back(found: list[OfSite], wrong: str) -> StepError:
    """The old ones that live serve again, their new ones are gone; the error that says why."""
    words = [
        masked(site.docker.logs(one.new.id), site)
        for site, them in found
        for one in them
        if one.service in wrong
    ]
    back = lead_back([site for site, _ in found])
    for site, one in back:
        site.docker.stop(one.new.id, site.release.services[one.service].stop_s)
        site.docker.remove(one.new.id)
    names = ", ".join(dict.fromkeys(one.service for _, one in back))
    serves = f"the old {names} serve again" if names else "no old container runs any more"
    said = "\n".join([f"{wrong}:", *words] if words else [wrong])
    return StepError("compose", said, advice=f"{serves}; mend what it says and deploy again")
