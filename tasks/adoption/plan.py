"""What an adoption does, for people: changes, what is in the way, and what they ask before."""

import time
from dataclasses import dataclass

from config.rules import adoption as rules
from config.rules.adoptable import Vectors
from config.rules.upgrade import Obstacle
from tasks.adoption import files
from tasks.adoption.facts import Facts, ask
from tasks.adoption.find import find
from tasks.adoption.origin import STEP, Origin, as_site
from tasks.core import adoption_mark, release_file
from tasks.core.adoption_mark import Adoption
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Outcome

GB = 1e9


@dataclass(frozen=True, slots=True)
class Seen:
    """The Dify to take over. `facts` are None where its state does not run, so was not asked.

    `mark`: of its adoption, where that has begun. `deployed`: the version that was deployed to the
    environment already, empty if none was.
    """

    origin: Origin
    facts: Facts | None
    mark: Adoption | None
    deployed: str = ""

    @property
    def going_on(self) -> Adoption | None:
        return self.mark if self.mark and self.mark.pending else None

    @property
    def done(self) -> bool:
        return self.mark is not None and not self.mark.pending


def look(site: Site, project: str, *, re_embed: bool = False) -> Seen:
    """The Dify to take over, and what it says of itself; nothing is changed.

    `re_embed`: whether somebody allows that models of its workspaces are asked for embeddings.

    Raises:
        StepError: there is none to be found.
        PostgresUnreachable, PostgresRefused, DifyError: it cannot be asked.
    """
    origin, mark = find(site, project), adoption_mark.read(site)
    deployed = release_file.read(site.environment, site.node).version
    unasked = mark or silent(origin)
    facts = None if unasked else ask(site, origin, as_read(site, origin), re_embed=re_embed)
    return Seen(origin, facts, mark, deployed)


def as_read(site: Site, origin: Origin) -> Site:
    """The other Dify as a site that is read."""
    return as_site(origin, site, files.place(site))


def silent(origin: Origin) -> list[str]:
    """Services that have to run to be asked, and do not."""
    return sorted({each.service for each in (origin.api, *origin.keepers) if not each.runs})


def obstacles(seen: Seen) -> list[Obstacle]:
    """What a person has to settle first; nothing is in the way of one that has begun."""
    if seen.mark:
        return []
    stopped = rules.stopped(seen.origin.project, silent(seen.origin))
    found = rules.obstacles(seen.facts.found) if seen.facts else []
    return [*([stopped] if stopped else []), *found]


def outcome(site: Site, seen: Seen, *, drilled: bool) -> Outcome:
    """The part of the plan that is not of a deploy."""
    began = time.monotonic()
    if seen.done:
        return Outcome(STEP, (), 0.0, applied=False)
    what = f"take over Dify {seen.origin.version} in {seen.origin.folder}"
    blocked = tuple(Blocked(what, each.why, each.do) for each in obstacles(seen))
    changes, seconds = tuple(_changes(site, seen, drilled)), time.monotonic() - began
    return Outcome(STEP, changes, seconds, applied=False, blocked=blocked)


def _changes(site: Site, seen: Seen, drilled: bool) -> list[Change]:
    """Without sizes: they grow while somebody reads the plan, which is the same plan then."""
    proved = "proved by a drill" if drilled else "not proved"
    origin = seen.origin
    folder, postgres = origin.folder, as_read(site, origin).environment.postgres
    own = site.environment.postgres
    key = "secret_key"
    found = [
        Change(Kind.MAKE, "point", f"save {folder} as a restore point", "", proved),
        Change(
            Kind.CHANGE,
            key,
            f"{key} of its data",
            "published" if "SECRET_KEY" in origin.unsafe else "private",
            "a new one" if "SECRET_KEY" in origin.unsafe else "taken over",
        ),
        *_copies(site, seen),
        Change(
            Kind.MAKE,
            "database",
            f"copy database {postgres.database}",
            f"{postgres.host}:{postgres.port}",
            f"{own.database} at {own.host}:{own.port}",
        ),
        Change(
            Kind.MAKE,
            "plugin database",
            f"copy database {postgres.plugin_database}",
            f"{postgres.host}:{postgres.port}",
            f"{own.plugin_database} at {own.host}:{own.port}",
        ),
    ]
    if seen.facts and (vectors := seen.facts.found.vectors).move:
        what = f"move vectors of {vectors}"
        found.append(Change(Kind.CHANGE, "vectors", what, "", "Dify's own database"))
    stops = [
        Change(Kind.STOP, each.name, f"stop {each.name}", "running", "stopped, not removed")
        for each in origin.members
        if each.runs
    ]
    return [*found, *stops]


def _copies(site: Site, seen: Seen) -> list[Change]:
    data, state = site.environment.dify.data, site.release.state
    return [
        Change(Kind.MAKE, name, f"copy {name}", place, str(data / state[name].path))
        for name, place in seen.origin.state(site.release).items()
    ]


def _sizes(facts: Facts) -> str:
    folders = (f"{size / GB:.2f} GB in {place}" for place, size in facts.folders.items())
    return (
        f"its database has {facts.database / GB:.2f} GB, its files {', '.join(folders) or 'none'}"
    )


def _vectors(vectors: Vectors) -> list[str]:
    """What becomes of vectors that are in another store."""
    if not vectors.move:
        return []
    unkept = f", and for {vectors.unkept} longer: models of their workspaces embed them anew"
    left = " and ".join(f"{count} {what}" for what, count in vectors.left.items())
    return [
        f"vectors of {vectors}: Dify's own command moves {vectors.texts} into its own database"
        + (unkept if vectors.unkept else ", from the embeddings that it keeps; no model is asked"),
        *([f"{left} are not moved by it: they are found again once made anew"] if left else []),
    ]


def notes(site: Site, seen: Seen, *, drilled: bool) -> list[str]:
    """What people ask before they let an adoption begin, one sentence each."""
    origin, facts, name = seen.origin, seen.facts, site.name
    if seen.done:
        return [f"the Dify in {origin.folder} was taken over already"]
    found = [f"Dify {origin.version} was found in the compose project {origin.project}"]
    if origin.unsafe:
        found.append(f"anybody can read its {', '.join(origin.unsafe)}; here each gets a new value")
    if "SECRET_KEY" in origin.unsafe:
        found.append(
            "with another SECRET_KEY everybody logs in again, and OAuth logins of tools are "
            "entered anew; passwords and credentials of model providers stay"
        )
    if facts and facts.superuser:
        role = as_read(site, origin).environment.postgres.user
        found.append(f"its role {role} is a superuser; {site.environment.postgres.user} is none")
    if facts:
        vectors = facts.found.vectors
        away_s = rules.away_s(facts.database, facts.files, vectors.texts if vectors.move else 0)
        found += [_sizes(facts), f"nobody can use Dify for about {away_s} s", *_vectors(vectors)]
    if origin.store:
        found.append(
            f"its files stay in the bucket {origin.store.bucket}, which {name} uses from then on: "
            "what is deleted here is gone for it, too"
        )
    if facts and facts.portal:
        found.append(
            f"{', '.join(facts.portal)} of the portal leads {site.environment.portal.domain} to "
            f"it; just before its stop {name} takes that over, and people get a page of maintenance"
        )
    if seen.deployed:
        found.append(
            f"{name} has a Dify of its own: what it has is saved as a restore point, and replaced"
        )
    return [
        *found,
        "a restore point of it is taken first"
        + (", and proved by a drill" if drilled else "; NO drill proves it"),
        "its files, databases and containers stay as they are; it is only stopped: "
        f"rollout adopt {name} --back starts it again, --finish removes its containers",
    ]
