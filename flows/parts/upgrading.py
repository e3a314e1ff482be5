"""An upgrade step by step, and the way back from wherever it stopped."""

import logging
from dataclasses import dataclass, field

from clients.running import Cancelled
from config.errors import RolloutError, StepError
from config.rules.finding import Finding
from config.rules.restore_point import BEFORE_UPGRADE
from flows.parts.bring_back import bring_back
from flows.parts.cluster_back import cluster_back
from flows.parts.drilled import proof
from flows.parts.graph import Graph
from flows.parts.point import take_point
from flows.parts.progress import progress
from flows.parts.second_half import second_half
from flows.parts.transfers import transfers
from flows.parts.upgrade_report import Laps, UpgradeReport
from tasks.core.site import Site
from tasks.core.upgrade_mark import Stage, Upgrade
from tasks.points import tasks as points
from tasks.steps.tasks import STEPS, close_portal, reopen_portal
from tasks.upgrades import tasks
from tasks.upgrades.facts import older
from tasks.upgrades.way import Way

log = logging.getLogger("rollout")

READY = ("preflight", "docker", "pgsql", "redis", "images")


@dataclass(slots=True)
class Upgrading:
    """The upgrade of a site along its way; each step on the graph of one of both releases."""

    graph: Graph
    site: Site
    way: Way
    laps: Laps = field(default_factory=Laps)
    checks: list[Finding] = field(default_factory=list[Finding])
    notes: list[str] = field(default_factory=list[str])
    mark: Upgrade | None = None
    serves: str = ""

    def carry_out(self, *, drilled: bool) -> UpgradeReport:
        """The new release serves and is proved.

        Raises:
            StepError: it is not; the old one serves again, or the error says what to do.
            Cancelled: it stopped where it was, and waits to be gone on with or back from.
        """
        name = self.site.name
        self.mark = self.way.going_on or self.prepare(drilled=drilled)
        try:
            self.mark = self.forward(self.mark)
        except Cancelled:
            log.warning("upgrade: stopped half-way; run it again, or: rollout rollback %s", name)
            raise
        except Exception as error:
            raise self.gone_back(error) from error
        self.serves = self.way.hop.new
        return self.report()

    def prepare(self, *, drilled: bool) -> Upgrade:
        """Images of both releases are there, and a restore point that comes back."""
        old = self.old
        with self.laps.lap("images of both releases"), transfers(self.site):
            self.graph.steps(READY)
            old.steps(["images"])
            self.graph.run(tasks.require_known, found=self.way)
            old.run(tasks.require_reached)
            lost = old.run(tasks.lost)
            self.notes += [f"{each}: no, before the upgrade already" for each in lost]
        with self.laps.lap("restore point"):
            point = self.point()
        proved = proof(old, self.laps, point, drilled=drilled)
        return self.graph.run(tasks.begin, found=self.way, point=point, proved=proved, lost=lost)

    @property
    def old(self) -> Graph:
        """The graph of the release that is upgraded."""
        return self.graph.of(older(self.site, self.way.hop.old))

    def point(self) -> str:
        """The name of a new restore point."""
        with progress("backup", self.site.name) as on_progress:
            repository = self.old.run(points.open_repository, create=True)
            return take_point(self.old, repository, BEFORE_UPGRADE, on_progress).point

    def stop(self, mark: Upgrade) -> None:
        """Nobody writes any more, and what was written is in the point that is gone back to."""
        with self.laps.lap("stop"):
            self.graph.run(close_portal)
            self.graph.run(tasks.stop)
        if mark.stage is not Stage.STOPPING:
            return
        if self.way.by_cluster:
            self.mark = self.graph.run(tasks.named)
        elif not mark.saved and self.way.saved_at_the_stop:
            with self.laps.lap("point at the stop"):
                self.mark = self.graph.run(tasks.saved, point=self.point())

    def forward(self, mark: Upgrade) -> Upgrade:
        """What an earlier run has done is found done."""
        self.beside(mark) if mark.beside else self.with_outage(mark)
        run = self.graph.run
        with self.laps.lap("hand steps after"):
            self.notes += run(tasks.steps_after, found=self.way)
        with self.laps.lap("watch"):
            run(tasks.watch)
        return run(tasks.end)

    def beside(self, mark: Upgrade) -> None:
        """Read top to bottom. The old release serves until the new one is led to, and then waits
        until that one is proved."""
        run, lap = self.graph.run, self.laps.lap
        with lap("new settings"):
            run(STEPS["settings"])
        run(tasks.change)
        with lap("migrate beside"):
            run(STEPS["migrate"])
        with lap("start beside and switch"):
            run(STEPS["compose"], kept=True)
            run(STEPS["portal"], closed=True)
            run(STEPS["hosts"])
        with lap("proof"):
            run(STEPS["verify"], changed=True)
            self.checks += run(tasks.require_old_data, mark=mark)
        run(tasks.opened)
        with lap("end of the old"):
            run(STEPS["compose"])
        with lap("proof without the old"):
            self.checks += run(STEPS["verify"], changed=True)

    def with_outage(self, mark: Upgrade) -> None:
        """Read top to bottom. Nobody can use Dify until the new release is proved."""
        run, lap = self.graph.run, self.laps.lap
        if not mark.opened:
            self.stop(mark)
            with lap("settings"):
                run(STEPS["settings"])
            run(tasks.change)
        with lap("migrate"):
            run(STEPS["migrate"])
        with lap("hand steps before"):
            self.notes += run(tasks.steps_before, found=self.way)
        with lap("start"):
            run(STEPS["compose"])
            run(STEPS["portal"], closed=True)
            run(STEPS["hosts"])
        with lap("gate"):
            self.checks += run(STEPS["verify"], changed=True)
            self.checks += run(tasks.require_old_data, mark=mark)
            run(reopen_portal)
        run(tasks.opened)

    def gone_back(self, error: Exception) -> StepError:
        """Why the upgrade failed, and what serves now."""
        hop, name = self.way.hop, self.site.name
        cause = error.cause if isinstance(error, StepError) else str(error)
        step = error.step if isinstance(error, StepError) else "upgrade"
        cause = "\n  ".join([cause, *self.last_words(step)])
        try:
            with self.laps.lap("way back"):
                _, notes = back(self.old)
        except RolloutError as trouble:
            return StepError(
                "upgrade",
                f"{hop.old} → {hop.new} failed at {step}: {cause}\n"
                f"  and the way back stopped: {trouble}",
                advice=f"rollout rollback {name} goes on with the way back",
            )
        self.notes += notes
        self.serves = hop.old
        return StepError(
            "upgrade",
            f"{hop.old} → {hop.new} failed at {step}: {cause}\n"
            f"  Dify {hop.old} serves again" + "".join(f"\n  {note}" for note in notes),
            advice=error.advice if isinstance(error, StepError) else "look at the log above",
        )

    def last_words(self, step: str) -> list[str]:
        """What containers wrote of their trouble, where checks failed: other steps say it."""
        if step != "verify":
            return []
        try:
            return self.graph.run(tasks.last_words)
        except Exception as error:  # noqa: BLE001 - whatever it is, the way back comes next
            log.warning("upgrade: what the containers wrote is not known: %s", error)
            return []

    def report(self, failed: str = "") -> UpgradeReport:
        mark, hop = self.mark, self.way.hop
        return UpgradeReport(
            self.site.name,
            hop.old,
            hop.new,
            mark.point if mark else "",
            mark.proved if mark else "none was taken",
            mark.downtime_s if mark else 0.0,
            self.laps.seconds,
            tuple(self.laps.parts),
            tuple(self.checks),
            tuple(self.notes),
            failed,
            mark.unsaved_s if mark else 0.0,
            self.serves,
        )


def back(graph: Graph) -> tuple[list[Finding], list[str]]:
    """The old release, whose graph it is, serves its own data again: its checks, and notes.

    Where the upgrade changed no data, or the old release serves it as it is, there is nothing to
    restore.
    """
    mark = graph.run(tasks.turn_back)
    if not graph.run(tasks.needs_restore, mark=mark):
        checks = second_half(graph)
        graph.run(tasks.forget)
        same = mark.stage is Stage.STOPPING
        return checks, [
            f"nothing of its data was {'changed' if same else 'restored: it serves it'}"
        ]
    if named := mark.to(graph.site.environment.upgrade.way_back):
        return cluster_back(graph, mark, named)
    choice = graph.run(
        points.choose, source=graph.site, point=mark.point, only=[], release=mark.old
    )
    newer = graph.run(tasks.newer, mark=mark)
    done, checks = bring_back(graph, graph.site, choice)
    kept = f", in the point {done.safety}" if done.safety else ""
    said = f"it is as it was at {mark.point}; newer than that: {newer}{kept}"
    return checks, [said, *done.notes]
