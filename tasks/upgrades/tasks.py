"""The parts of an upgrade that no rollout has, as Prefect tasks."""

from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.core.upgrade_mark import Upgrade
from tasks.points.drill import Drilling
from tasks.steps import reach, revisions
from tasks.steps.table import DAY_S, HOUR_S, MINUTE_S
from tasks.upgrades import hand_steps, old_data, stages, way
from tasks.upgrades import last_words as words
from tasks.upgrades.way import Way


@task("way", within_s=HOUR_S)
def find_way(site: Site) -> Way:
    """Ask whether the wanted release can be reached from what runs; nothing is changed."""
    return way.find(site)


@task("known schema", within_s=HOUR_S)
def require_known(site: Site, *, found: Way) -> None:
    """Ask the images of both releases whether they know the schema, while Dify runs."""
    way.require_known(site, found)


@task("reached", within_s=HOUR_S)
def require_reached(site: Site) -> None:
    """Ask from a container of what runs whether it gets into PostgreSQL, Redis and the files."""
    reach.require_reached(site)


@task("lost before", within_s=HOUR_S)
def lost(site: Site) -> list[str]:
    """Ask the old release for what people have, so that nothing is blamed on the new one."""
    return old_data.lost(site)


@task("old data", within_s=HOUR_S)
def require_old_data(site: Site, *, mark: Upgrade) -> list[Finding]:
    """Ask the new release for what people had: documents, and what was encrypted."""
    return old_data.require(site, but=mark.lost)


@task("begin upgrade", within_s=10 * MINUTE_S)
def begin(site: Site, *, found: Way, point: str, proved: str, lost: list[str]) -> Upgrade:
    """Note the restore point and the images that an upgrade goes back to."""
    return stages.begin(site, found, point=point, proved=proved, lost=lost)


@task("stop writers", within_s=30 * MINUTE_S)
def stop(site: Site) -> None:
    """Stop everything of Dify that writes."""
    stages.stop(site)


@task("saved", within_s=10 * MINUTE_S)
def saved(site: Site, *, point: str) -> Upgrade:
    """Note the restore point that was taken after the stop."""
    return stages.saved(site, point=point)


@task("name moment", within_s=10 * MINUTE_S)
def named(site: Site) -> Upgrade:
    """Set a restore point in the archive of the cluster, to go back to exactly the stop."""
    return stages.named(site)


@task("change", within_s=10 * MINUTE_S)
def change(site: Site) -> None:
    """Note that schema and data are the new release's from here on."""
    stages.change(site)


@task("hand steps before", within_s=DAY_S)
def steps_before(site: Site, *, found: Way) -> list[str]:
    """Carry out the hand steps that come before the new release starts, and prove them."""
    return hand_steps.carry_out(site, found.when("before"))


@task("hand steps after", within_s=DAY_S)
def steps_after(site: Site, *, found: Way) -> list[str]:
    """Carry out the hand steps that need the new release, and prove them."""
    return hand_steps.carry_out(site, found.when("after"))


@task("expect schema", within_s=HOUR_S)
def expect_schema(site: Site, *, drilling: Drilling) -> None:
    """Let a rehearsal's checks expect the newest revision of the release instead of the point's."""
    drilling.expect_schema(revisions.ask(site)[0])


@task("open", within_s=10 * MINUTE_S)
def opened(site: Site) -> None:
    """Note when people could use Dify again."""
    stages.opened(site)


@task("watch release", within_s=3 * HOUR_S, retries=False)
def watch(site: Site) -> None:
    """See the new release work for a while; two failures in a row fail the upgrade."""
    stages.watch(site)


@task("end upgrade", within_s=10 * MINUTE_S)
def end(site: Site) -> Upgrade:
    """Note that the new release is proved; the way back stays."""
    return stages.done(site)


@task("last upgrade", within_s=HOUR_S)
def last(site: Site, *, confirm: str) -> Upgrade:
    """Find the upgrade to go back from, and refuse until somebody says which environment it is."""
    found = stages.last(site)
    stages.require_confirmed(site, found, confirm=confirm)
    return found


@task("newer rows", within_s=HOUR_S)
def newer(site: Site, *, mark: Upgrade) -> str:
    """Count what people made since the point that is gone back to."""
    return stages.newer(site, mark)


@task("last words", within_s=10 * MINUTE_S)
def last_words(site: Site) -> list[str]:
    """Read what the containers wrote of their trouble, before they are removed."""
    return words.last_words(site)


@task("turn back", within_s=HOUR_S)
def turn_back(site: Site) -> Upgrade:
    """End what a killed upgrade left running, and name the old images again."""
    return stages.turn_back(site)


@task("needs restore", within_s=HOUR_S)
def needs_restore(site: Site, *, mark: Upgrade) -> bool:
    """Ask whether the old release can serve the data as it is."""
    return stages.needs_restore(site, mark)


@task("forget upgrade", within_s=10 * MINUTE_S)
def forget(site: Site) -> None:
    """Take the mark of an upgrade away that changed nothing."""
    stages.forget(site)
