"""What comes with data and may not fit here: secrets, the administrator, schedules."""

from collections.abc import Collection, Mapping

from pydantic import SecretStr

from config.rules.restore_point import DATA_SECRETS
from tasks.core.site import Site
from tasks.points.choice import Choice
from tasks.points.databases import session_database

_SILENCE = "UPDATE workflow_schedule_plans SET next_run_at = NULL"


def secrets_of(site: Site, choice: Choice) -> Mapping[str, SecretStr]:
    """Secrets that belong to the data of the point and differ here; the others stay the site's."""
    kept = choice.manifest.secrets
    own = DATA_SECRETS if "database" in choice.parts else ()
    return {n: kept[n] for n in own if n in kept and site.secrets.get(n) != kept[n]}


def notes(site: Site, choice: Choice, secrets: Collection[str]) -> list[str]:
    """What a person has to know of the `secrets` that came with the data, and to change."""
    if "database" not in choice.parts:
        return []
    given, point = site.environment.secrets.sources, choice.point.id
    found = [
        f"{name} stands in {given[name]}, which {point} contradicts: take it out of "
        f"secrets.sources of {site.name}, its block has the right one"
        for name in secrets
        if name in given
    ]
    if secrets:
        found.append(f"{', '.join(secrets)} taken over from {point}")
    here, there = site.environment.dify.admin_email, choice.manifest.admin_email
    if here != there:
        found.append(f"the administrator is {there}: set dify.admin_email of {site.name}")
    return found


def silence(site: Site) -> list[str]:
    """No schedule of the source fires here; its mail settings stayed with it."""
    with session_database(site).connect() as connection:
        row = connection.execute("SELECT to_regclass('workflow_schedule_plans')").fetchone()
        if row is None or row[0] is None:
            return []
        count = connection.execute(_SILENCE).rowcount
    return [f"{count} schedules silenced; publish a workflow anew to start its schedule"]
