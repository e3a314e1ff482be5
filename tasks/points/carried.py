"""What comes with data and may not fit here: secrets, the administrator, schedules."""

from config.rules.restore_point import DATA_SECRETS
from tasks.core.site import Site
from tasks.points.choice import Choice
from tasks.points.databases import session_database
from tasks.points.way_back import Keep

_SILENCE = "UPDATE workflow_schedule_plans SET next_run_at = NULL"


def adopt(site: Site, choice: Choice, keep: Keep) -> list[str]:
    """Secrets that belong to the data came with it; the others stay the environment's."""
    notes: list[str] = []
    kept = choice.manifest.secrets
    carried = {name: kept[name] for name in DATA_SECRETS if name in kept}
    if changed := [name for name, value in carried.items() if site.secrets.get(name) != value]:
        site.secrets.update(carried)
        given = site.environment.secrets.sources
        keep(site, carried)
        notes += [
            f"{name} stands in {given[name]}, which {choice.point.id} contradicts: take it out of "
            f"secrets.sources of {site.name}, its block has the right one"
            for name in changed
            if name in given
        ]
        notes.append(f"{', '.join(changed)} taken over from {choice.point.id}")
    ours, theirs = site.environment.dify.admin_email, choice.manifest.admin_email
    if ours != theirs:
        notes.append(f"the administrator is {theirs}: set dify.admin_email of {site.name}")
    return notes


def silence(site: Site) -> list[str]:
    """No schedule of the source fires here; its mail settings stayed with it."""
    with session_database(site).connect() as connection:
        row = connection.execute("SELECT to_regclass('workflow_schedule_plans')").fetchone()
        if row is None or row[0] is None:
            return []
        count = connection.execute(_SILENCE).rowcount
    return [f"{count} schedules silenced; publish a workflow anew to start its schedule"]
