"""The way from the release that runs to the wanted one, once nothing is in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.errors import StepError
from config.hand_steps import HandStep
from config.load import load_history, load_release, release_names
from config.rules import upgrade as rules
from config.rules.upgrade import Hop, Obstacle
from tasks.core import release_file, upgrade_mark
from tasks.core.promotion import require_same_images
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Outcome
from tasks.core.upgrade_mark import Stage, Upgrade
from tasks.points import pitr
from tasks.steps import revisions
from tasks.upgrades import beside, facts, hand_steps

STEP = "upgrade"


@dataclass(frozen=True, slots=True)
class Way:
    """What an upgrade does beside its steps: hand steps in order, and the large tables, in bytes.

    `held`: bytes of both databases. `by_cluster`: the way back is that of the cluster's archive.
    `going_on`: the mark of the same upgrade where it stopped half-way. `outage`: why nobody can use
    Dify meanwhile; empty where both releases run at once. `start_s`: how long the last start of the
    stack took; 0 where that is not known.
    """

    hop: Hop
    steps: tuple[HandStep, ...]
    sizes: dict[str, int]
    held: int
    by_cluster: bool
    going_on: Upgrade | None
    outage: str = ""
    start_s: float = 0.0

    @property
    def saved_at_the_stop(self) -> bool:
        """Whether a point is taken then: the archive of a cluster has that moment already."""
        return not self.by_cluster and rules.saved_at_the_stop(self.held)

    def when(self, when: str) -> list[HandStep]:
        """Those of before, or after, the new version starts; a person's are done by then."""
        return [step for step in self.steps if step.when == when and not step.person]


def find(site: Site) -> Way:
    """The way to the site's release.

    Raises:
        StepError: everything that is in it, one line each.
    """
    going_on = _going_on(site)
    old = going_on.old if going_on else release_file.read(site.environment, site.node).version
    hop = Hop(site.name, old, site.release.version)
    _require([rules.direction(hop), _no_file(hop)])
    known = rules.all_steps(
        load_history(), {name: load_release(name).steps for name in release_names()}
    )
    steps = rules.crossed(known, hop)
    held = facts.held(site)
    _require([rules.unknown_between(list(known), hop), *_in_the_way(site, hop, steps, held)])
    by_cluster = site.environment.upgrade.way_back == "cluster"
    if by_cluster:
        pitr.require_archive(site)
    ran = release_file.read(site.environment, site.node)
    began = "" if going_on and going_on.beside else "it began so"
    why = began if going_on else beside.outage(site, steps)
    sizes = facts.sizes(site)
    return Way(hop, tuple(steps), sizes, held, by_cluster, going_on, why, ran.start_s)


def require_known(site: Site, way: Way) -> None:
    """Both releases' images, which are here now, say that they know the schema.

    Asking takes a start of Python: later nobody could use Dify meanwhile.

    Raises:
        StepError: neither of them knows it, or they are not those that are promoted.
    """
    require_same_images(site)
    foreign = {each.revision: each.of for each in load_history().foreign}
    known = facts.known(site, way.hop.old)
    _require([rules.revision_refused(facts.schema(site), known, foreign, way.hop)])
    revisions.remember(site)


def outcome(site: Site, way: Way) -> Outcome:
    """The hand steps of the plan, those that are done left out."""
    changes = [
        Change(Kind.CHANGE, step.name, f"{step.name}: {step.why}", "", f"{step.when} the start")
        for step in hand_steps.left(site, way.steps)
    ]
    return Outcome(hand_steps.STEP, tuple(changes), 0.0, applied=False)


def notes(way: Way, *, drilled: bool) -> list[str]:
    """What people ask before they let an upgrade begin, one sentence each."""
    hop = way.hop
    tables = ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in way.sizes.items())
    point = "a restore point is taken first" + (
        ", and proved by a drill" if drilled else "; NO drill proves it"
    )
    later = f"later, rollout rollback {hop.environment} goes back"
    if not way.outage:
        ready = f", ready in about {way.start_s:.0f} s" if way.start_s else ""
        return [
            f"people go on: {hop.new} starts beside {hop.old}{ready}, is led to in a second, "
            f"and {hop.old} ends what it had begun"
            + (f"; large tables: {tables}" if tables else ""),
            point,
            f"if anything fails {hop.old} serves on, and nothing has to be restored; "
            f"{later} to the point",
        ]
    saved = way.held if way.saved_at_the_stop else 0
    return [
        f"nobody can use Dify for about {rules.downtime_s(way.sizes, saved)} s: {way.outage}"
        + (f"; large tables: {tables}" if tables else ""),
        point,
        _kept(way),
        f"if anything fails {hop.old} serves again from there; {later} there too",
    ]


def _kept(way: Way) -> str:
    """Where a way back leads to, and what that loses."""
    if way.by_cluster:
        return (
            "a restore point is named in the archive of its cluster once nobody writes any longer: "
            "a way back takes the whole cluster there, databases of others too"
        )
    if way.saved_at_the_stop:
        return "another one is taken once nobody writes any longer"
    return (
        f"the databases hold {way.held / 1e9:.0f} GB and are not saved again at the stop: "
        "a way back loses what people write after the point"
    )


def _going_on(site: Site) -> Upgrade | None:
    """The mark of this very upgrade; any other that stopped half-way is refused."""
    mark = upgrade_mark.read(site)
    if mark is None or not mark.pending:
        return None
    if mark.new != site.release.version or mark.stage is Stage.BACK:
        upgrade_mark.require_none(site)
    return mark


def _no_file(hop: Hop) -> Obstacle | None:
    if hop.old in release_names():
        return None
    return Obstacle(
        f"Dify {hop.old}, which runs, has no file in config/releases, and the way back needs it",
        f"write it: rollout release draft {hop.old} --source FOLDER",
    )


def _in_the_way(
    site: Site, hop: Hop, steps: Sequence[HandStep], held: int
) -> list[Obstacle | None]:
    """What the database and the network say."""
    foreign = {each.revision: each.of for each in load_history().foreign}
    needed = any("marketplace" in step.needs for step in steps)
    reached = not needed or facts.marketplace_reached(site)
    known = facts.known(site, hop.old)
    return [
        rules.revision_refused(facts.schema(site), known, foreign, hop),
        rules.postgres_refused(facts.postgres_major(site), site.release.postgres, hop),
        *rules.room_refused(facts.free(site), held),
        *rules.marketplace_refused(steps, reached=reached, hop=hop),
        *rules.by_hand_refused(hand_steps.left_by_hand(site, steps)),
    ]


def _require(found: Sequence[Obstacle | None]) -> None:
    """Nothing stands in the way."""
    there = [each for each in found if each]
    if len(there) == 1:
        raise StepError(STEP, there[0].why, advice=there[0].do)
    if there:
        lines = "\n  ".join(map(str, there))
        raise StepError(STEP, f"{len(there)} things stand in the way\n  {lines}")
