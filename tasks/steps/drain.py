"""What was replaced ends what it had begun, once what replaced it has proved itself."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from clients.docker_objects import Container
from clients.waiting import until
from config.errors import StepError
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps.back import lead_back
from tasks.steps.ending import EVERY_S, drained
from tasks.steps.pairs import Pair, pairs
from tasks.steps.watch import trouble
from tasks.tools import celery


@dataclass(frozen=True, slots=True)
class Drain:
    """No container is left beside the one that has replaced it."""

    site: Site
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> list[Pair]:
        return pairs(self.site)

    def plan(self, actual: list[Pair]) -> list[Change]:
        return [
            Change(
                Kind.STOP, f"old {one.service}", f"let the old {one.service} end and remove it",
                one.old.state, "absent", "drain", follows=True,
            )
            for one in actual
        ]  # fmt: skip

    def apply(self, change: Change) -> None:
        found = self.observe()
        if wrong := _silent(self.site, found) or trouble(self.site, [one.service for one in found]):
            raise _gone_back(self.site, found, wrong)
        with ThreadPoolExecutor(len(found) or 1) as pool:
            list(pool.map(partial(drained, self.site), [one.old for one in found]))


def _silent(site: Site, found: list[Pair]) -> str:
    """Which new worker does not answer: one that runs may still be on its way to the broker."""
    for one in found:
        if site.release.services[one.service].overlap == "jobs" and not until(
            partial(_answers, site, one.new),
            within_s=site.environment.dify.start_within_s,
            every_s=EVERY_S,
            waiting=f"compose: waiting for the new {one.service} to take jobs",
        ):
            return f"the new {one.service} takes no jobs"
    return ""


def _answers(site: Site, worker: Container) -> bool:
    return site.docker.execute(worker.id, celery.ping())[0] == 0


def _gone_back(site: Site, found: list[Pair], wrong: str) -> StepError:
    """The old ones that live serve again, their new ones are gone; the error that says why."""
    words = [site.docker.logs(one.new.id) for one in found if one.service in wrong]
    back = [one.service for one in lead_back(site)]
    for one in found:
        if one.service in back:
            site.docker.stop(one.new.id, site.release.services[one.service].stop_s)
            site.docker.remove(one.new.id)
    serves = f"the old {', '.join(back)} serve again" if back else "no old container runs any more"
    said = masked("\n".join([f"{wrong}:", *words] if words else [wrong]), site)
    return StepError("compose", said, advice=f"{serves}; mend what it says and deploy again")
