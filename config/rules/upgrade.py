"""Whether there is a way from one release to another, and what a person or a step does on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.hand_steps import HandStep, History
from config.release import PostgresNeeds
from config.rules.revisions import number

_BYTES_PER_S = 30e6
_START_S = 60
_SAVED_AT_THE_STOP_BYTES = 10e9


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A fact that is in the way of an upgrade, and what to do about it."""

    why: str
    do: str

    def __str__(self) -> str:
        return f"{self.why}; {self.do}"


@dataclass(frozen=True, slots=True)
class Hop:
    """From the release that runs (empty: none does) to the wanted one, in an environment."""

    environment: str
    old: str
    new: str

    @property
    def between(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return number(self.old), number(self.new)

    def crosses(self, version: str) -> bool:
        """Whether the version lies above the old release, up to the new one."""
        return number(self.old) < number(version) <= number(self.new)


def newest_above(runs: str, known: Sequence[str]) -> str:
    """The newest release that is known; empty where it is not above what runs, or nothing runs."""
    newest = max(known, key=number, default="")
    return newest if runs and number(runs) < number(newest) else ""


def all_steps(
    history: History, files: Mapping[str, Sequence[HandStep]]
) -> dict[str, list[HandStep]]:
    """Version → its hand steps, oldest version first. `files`: those of release files."""
    past = {each.version: list(each.steps) for each in history.releases}
    found = {**past, **{version: list(steps) for version, steps in files.items() if steps}}
    known = {version: found.get(version, []) for version in {*past, *files}}
    return dict(sorted(known.items(), key=lambda each: number(each[0])))


def crossed(steps: Mapping[str, Sequence[HandStep]], hop: Hop) -> list[HandStep]:
    """The hand steps of every version that is crossed, oldest version first."""
    return [
        step
        for version, found in steps.items()
        if hop.crosses(version)
        for step in found
        if not step.until or number(hop.new) < number(step.until)
    ]


def direction(hop: Hop) -> Obstacle | None:
    """Why the release cannot be upgraded to at all; None if it is a newer one."""
    name, (old, new) = hop.environment, hop.between
    if not hop.old:
        return Obstacle(f"nothing is deployed in {name}", f"rollout deploy {name}")
    if old == new:
        return Obstacle(
            f"Dify {hop.old} runs already", f"name a newer one: rollout upgrade {name} --to VERSION"
        )
    if new < old:
        return Obstacle(
            f"Dify {hop.new} is older than {hop.old}, which runs, and a schema does not go back",
            f"rollout rollback {name} undoes the last upgrade",
        )
    return None


def unknown_between(known: Sequence[str], hop: Hop) -> Obstacle | None:
    """Why hand steps on the way are not known; None if each minor version in between is."""
    (old, new) = hop.between
    have = {number(version)[:2] for version in known}
    first = old[1] + 1 if old[0] == new[0] else 0
    missing = [f"{new[0]}.{minor}" for minor in range(first, new[1]) if (new[0], minor) not in have]
    if not missing:
        return None
    return Obstacle(
        f"hand steps of Dify {', '.join(missing)}, between {hop.old} and {hop.new}, are not known",
        "write those releases into config/releases/history.toml",
    )


def revision_refused(
    found: Sequence[str], known: Sequence[str], foreign: Mapping[str, str], hop: Hop
) -> Obstacle | None:
    """Why no release goes on from the database's revisions; None if one of both does.

    `known`: the revisions of both releases' images, empty where none was asked. `foreign`: revision
    → whose it is.
    """
    back = f"restore a point from before it: rollout backup list {hop.environment}"
    if len(found) > 1:
        return Obstacle(
            f"the database is at {len(found)} revisions at once ({', '.join(sorted(found))}): "
            "a fork of Dify has migrated it",
            back,
        )
    for revision in found:
        if revision in foreign:
            return Obstacle(
                f"the database is at revision {revision} of {foreign[revision]}, "
                "from which no release of Dify goes on",
                back,
            )
        if known and revision not in known:
            return Obstacle(
                f"the database is at revision {revision}, which neither Dify {hop.old} nor "
                f"{hop.new} knows: a fork or another release has migrated it",
                back,
            )
    return None


def postgres_refused(major: int, needs: PostgresNeeds, hop: Hop) -> Obstacle | None:
    if needs.takes(major):
        return None
    return Obstacle(f"PostgreSQL {major} is not one Dify {hop.new} runs on", needs.expected)


def room_refused(free: Mapping[str, int], needed: int) -> list[Obstacle]:
    """Places, each with its free bytes, that have no room for what the databases hold."""
    return [
        Obstacle(
            f"{place} has {have / 1e9:.1f} GB free, and the databases hold {needed / 1e9:.1f} GB: "
            "a restore point, its drill and a way back need as much once more",
            "make room there, or name another place",
        )
        for place, have in free.items()
        if have < needed
    ]


def marketplace_refused(steps: Sequence[HandStep], *, reached: bool, hop: Hop) -> list[Obstacle]:
    """A step that has to be done and cannot, for want of what it needs."""
    return [
        Obstacle(
            f"{step.name}, a step to {hop.new}, needs the plugin marketplace, "
            "which is not reached from here",
            "let the first node reach marketplace.dify.ai",
        )
        for step in steps
        if "marketplace" in step.needs and not step.optional and not reached
    ]


def by_hand_refused(left: Sequence[HandStep]) -> list[Obstacle]:
    """What a person has not done yet."""
    return [Obstacle(f"{step.name}: {step.why}", step.person) for step in left]


def saved_at_the_stop(held: int) -> bool:
    """Whether databases of so many bytes are saved once more when nobody writes any longer.

    A way back loses nothing; it costs time without Dify, which large databases cannot afford.
    """
    return held <= _SAVED_AT_THE_STOP_BYTES


def downtime_s(sizes: Mapping[str, int], held: int) -> int:
    """About how many seconds nobody can use Dify.

    Its start, the large tables (`sizes`, bytes) read once, and all databases (`held`) if they are
    saved at the stop.
    """
    saved = held if saved_at_the_stop(held) else 0
    return round(_START_S + (sum(sizes.values()) + saved) / _BYTES_PER_S)
