"""The parts of an adoption that no rollout has, as Prefect tasks."""

from tasks.adoption import plan, stages, vectors, way_back
from tasks.adoption.origin import Origin
from tasks.adoption.plan import Seen
from tasks.core.adoption_mark import Adoption
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.steps.table import DAY_S, HOUR_S, MINUTE_S


@task("find Dify", within_s=HOUR_S)
def find_origin(site: Site, *, project: str, re_embed: bool) -> Seen:
    """Find the Dify to take over, and ask its engine, database and API; nothing is changed."""
    return plan.look(site, project, re_embed=re_embed)


@task("nothing in the way", within_s=10 * MINUTE_S)
def require_free(site: Site, *, seen: Seen) -> None:
    """Refuse a Dify that cannot be taken over as it is."""
    stages.require_free(seen)


@task("wake", within_s=10 * MINUTE_S)
def woken(site: Site, *, origin: Origin) -> Origin:
    """Start what holds the other Dify's state, where an adoption goes on."""
    return stages.woken(site, origin)


@task("other site", within_s=10 * MINUTE_S)
def other_site(site: Site, *, origin: Origin) -> Site:
    """Copy the other Dify's own files, so that its restore points have them."""
    return stages.other_site(site, origin)


@task("begin adoption", within_s=10 * MINUTE_S)
def begin_adoption(
    site: Site, *, origin: Origin, point: str, proved: str, keep_days: int
) -> Adoption:
    """Note the restore point, and what the engine starts again by itself."""
    return stages.begin(site, origin, point=point, proved=proved, keep_days=keep_days)


@task("stop other writers", within_s=HOUR_S)
def stop_writers(site: Site, *, origin: Origin, there: Site) -> None:
    """Stop the other Dify once its queues are empty; what holds its state runs on."""
    stages.stop_writers(site, origin, there)


@task("move vectors", within_s=DAY_S)
def move_vectors(site: Site, *, origin: Origin) -> list[str]:
    """Move vectors that are in another store into Dify's own database; a note if some were."""
    return vectors.move(site, origin)


@task("serve", within_s=10 * MINUTE_S)
def serve(site: Site) -> None:
    """Note that this environment serves what the other Dify served, before people can write."""
    stages.serve(site)


@task("end adoption", within_s=HOUR_S)
def end_adoption(site: Site, *, origin: Origin) -> Adoption:
    """Stop what is left of the other Dify: the containers that held its state."""
    return stages.end(site, origin)


@task("last adoption", within_s=10 * MINUTE_S)
def last_adoption(site: Site) -> Adoption:
    """Find the adoption there is to go back from, or to finish."""
    return stages.current(site)


@task("back to origin", within_s=HOUR_S)
def back_to_origin(site: Site) -> Adoption:
    """Stop this environment's stack and start the other Dify as it ran."""
    return way_back.go_back(site)


@task("end way back", within_s=10 * MINUTE_S)
def end_way_back(site: Site) -> None:
    """Forget the adoption: the other Dify serves again, and so does the environment's own."""
    way_back.end(site)


@task("remove origin", within_s=HOUR_S)
def remove_origin(site: Site) -> tuple[Adoption, list[str]]:
    """Remove the containers and networks of the Dify that was taken over; what stays of it."""
    return stages.finish(site)
