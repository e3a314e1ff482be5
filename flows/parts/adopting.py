"""An adoption step by step: a restore of a point that was taken of somebody else's Dify."""

import logging
from dataclasses import dataclass, field

from clients.running import Cancelled
from config.errors import RolloutError, StepError
from config.rules.finding import Finding
from config.rules.restore_point import BEFORE_ADOPTION
from flows.parts.adopt_back import go_back
from flows.parts.adopt_report import AdoptReport, report_of
from flows.parts.bring_back import bring_back
from flows.parts.drilled import proof
from flows.parts.graph import Graph
from flows.parts.point import take_point
from flows.parts.progress import progress
from flows.parts.restored import close
from flows.parts.transfers import transfers
from flows.parts.upgrade_report import Laps
from tasks.adoption import tasks
from tasks.adoption.origin import Origin
from tasks.adoption.plan import Seen
from tasks.adoption.stages import ran
from tasks.core.adoption_mark import Adoption
from tasks.core.site import Site
from tasks.points import tasks as points
from tasks.points.repository import Repository
from tasks.steps.table import STATE
from tasks.steps.tasks import STEPS, prepare_page, reopen_portal

log = logging.getLogger("rollout")

READY = ("preflight", "bootstrap", "configure", "install", *STATE)


@dataclass(slots=True)
class Adopting:
    """The adoption of what was seen; `there` is the other Dify as a site that is only read."""

    graph: Graph
    site: Site
    seen: Seen
    laps: Laps = field(default_factory=Laps)
    checks: list[Finding] = field(default_factory=list[Finding])
    notes: list[str] = field(default_factory=list[str])

    def carry_out(self, *, drilled: bool, keep_days: int) -> AdoptReport:
        """This environment serves what the other Dify served, and is proved.

        Raises:
            StepError: it does not; the other one serves again, or the error says what to do.
            Cancelled: it stopped where it was, and waits to be gone on with or back from.
        """
        run = self.graph.run
        if self.seen.done:
            mark = run(tasks.end_adoption, origin=self.seen.origin)
            run(reopen_portal)
            return self.report(mark, "was taken over already")
        run(tasks.require_free, seen=self.seen)
        begun = self.seen.going_on is not None
        try:
            origin, there, repository = self.ready()
            if not begun:
                point, proved = self.prepare(origin, there, repository, drilled=drilled)
                what = {"point": point, "proved": proved, "keep_days": keep_days}
                run(tasks.begin_adoption, origin=origin, **what)
                begun = True
            return self.report(self.forward(origin, there, repository), "taken over")
        except Cancelled:
            if begun:
                log.warning(
                    "adopt: stopped; run it again, or: rollout adopt %s --back", self.site.name
                )
            raise
        except Exception as error:
            if not begun:
                raise
            raise self.gone_back(error) from error

    def ready(self) -> tuple[Origin, Site, Repository]:
        """There is a place for all it has; the other Dify, it as a site, and the repository."""
        run = self.graph.run
        with self.laps.lap("state and images"), transfers(self.site):
            self.graph.steps(READY)
        origin = run(tasks.woken, origin=self.seen.origin)
        there = run(tasks.other_site, origin=origin)
        return origin, there, run(points.open_repository, create=True)

    def prepare(
        self, origin: Origin, there: Site, repository: Repository, *, drilled: bool
    ) -> tuple[str, str]:
        """A restore point of the other Dify as it is, and a sentence on whether it comes back."""
        with self.laps.lap("restore point"):
            point = self.saved(origin, there, repository)
        return point, proof(self.graph, self.laps, point, drilled=drilled)

    def forward(self, origin: Origin, there: Site, repository: Repository) -> Adoption:
        """Read top to bottom. What an earlier run has done is found done."""
        run = self.graph.run
        with self.laps.lap("domain"):
            self.take_domain()
        with self.laps.lap("stop"):
            run(tasks.stop_writers, origin=origin, there=there)
        with self.laps.lap("last copy"):
            point = self.saved(origin, there, repository)
        with self.laps.lap("restore and gate"):
            choice = run(points.choose, source=self.site, point=point, only=[])
            done, self.checks = bring_back(self.graph, self.site, choice, self.serve)
            self.notes += done.notes
        return run(tasks.end_adoption, origin=origin)

    def serve(self, graph: Graph) -> None:
        """A run that is killed from here on does not bring the other Dify's data once more."""
        self.notes += graph.run(tasks.move_vectors, origin=self.seen.origin)
        graph.run(tasks.serve)

    def take_domain(self) -> None:
        """The domain leads to this environment, where people get the page of maintenance.

        Pigsty's playbooks take their time: the other Dify serves until nginx reads what they wrote.
        """
        self.graph.run(prepare_page)
        self.graph.run(STEPS["portal"], closed=True)
        close(self.graph)

    def saved(self, origin: Origin, there: Site, repository: Repository) -> str:
        """The name of a new restore point of the other Dify, in the environment's repository."""
        with progress("backup", self.site.name) as on_progress:
            graph = self.graph.of(there)
            return take_point(graph, repository, BEFORE_ADOPTION, on_progress, ran(origin)).point

    def gone_back(self, error: Exception) -> StepError:
        """Why the adoption failed, and what serves now."""
        known = error if isinstance(error, StepError) else StepError("adopt", str(error))
        failed = f"it failed at {known.step}: {known.cause}"
        try:
            mark, own = go_back(self.graph, self.site)
        except RolloutError as trouble:
            return StepError(
                "adopt",
                f"{failed}\n  and the way back stopped: {trouble}",
                advice=f"rollout adopt {self.site.name} --back goes on with the way back",
            )
        lines = [failed, f"the Dify in {mark.folder} serves again", *([own] if own else [])]
        return StepError("adopt", "\n  ".join(lines), advice=known.advice)

    def report(self, mark: Adoption, work: str) -> AdoptReport:
        return report_of(
            self.site.name,
            mark,
            work,
            seconds=self.laps.seconds,
            parts=tuple(self.laps.parts),
            checks=tuple(self.checks),
            notes=tuple(self.notes),
        )
