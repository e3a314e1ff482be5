"""What was replaced ends what it had begun, once what replaced it has proved itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
from tasks.steps.kept import keep, stays
from tasks.steps.pairs import Pair, pairs
from tasks.steps.watch import trouble
from tasks.steps.workers import hand_over

OfSite = tuple[Site, list[Pair]]


@dataclass(frozen=True, slots=True)
class Leaving:
    """A container that will not serve any more, and what becomes of it."""

    site: Site
    one: Container
    words: str


@dataclass(frozen=True, slots=True)
class Drain:
    """On no node is a container left beside the one that has replaced it, but for its files."""

    sites: Sequence[Site]
    sight: Sight
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> list[Leaving]:
        return [one for site in self.sites for one in self._of(site)]

    def _of(self, site: Site) -> Iterator[Leaving]:
        ahead, services = self.sight.ahead(site), site.release.services
        for one in ahead.old:
            kept = stays(services[one.service], one, ahead.images.get(one.service))
            what = f"let the old {one.service} end and {'keep' if kept else 'remove'} it"
            yield Leaving(site, one, f"{what} for its files" if kept else what)
        for one in ahead.over:
            yield Leaving(site, one, f"remove the old {one.service} that was kept for its files")

    def plan(self, actual: list[Leaving]) -> list[Change]:
        return [
            Change(
                Kind.STOP, f"old {each.one.service}", on_node(self.sites, each.site, each.words),
                each.one.state, "absent", "drain",
            )
            for each in actual
        ]  # fmt: skip

    def apply(self, change: Change) -> None:
        over = [(site, one) for site in self.sites for one in self.sight.ahead(site).over]
        self.sight.forget()
        found = [(site, pairs(site)) for site in self.sites]
        if wrong := "; ".join(filter(None, answers(_wrong, found, len(found)))):
            raise _gone_back(found, wrong)
        ends = [partial(_ended, site, one) for site, them in found for one in them]
        ends += [partial(drained, site, one) for site, one in over]
        answers(_called, ends, len(ends) or 1)


def _called(end: Callable[[], None]) -> None:
    end()


def _ended(site: Site, one: Pair) -> None:
    """The old one is gone, or stays for its files alone."""
    if stays(site.release.services[one.service], one.old, one.new.image):
        keep(site, one.old)
    else:
        drained(site, one.old)


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
