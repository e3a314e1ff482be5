"""Age of the last good restore point and of the last drill, from what their runs left.

Asking restic takes seconds. A backup publishes its points only after the repository was checked,
and a drill only what was proved.
"""

from datetime import UTC, datetime

from blocks.artifacts import Artifact, newest
from blocks.prefect_api import configured
from config.rules.finding import Reading, Status
from config.rules.restore_point import BEFORE_RESTORE
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health.probe import Past, probe

POINT, DRILL = "restore point", "drill"
_NAME = "%Y%m%dT%H%M%SZ"
_HOUR_S, _DAY_S = 3600.0, 86_400.0


def probes(site: Site, past: Past) -> list[Probe]:
    advice = "look at the Prefect server: it keeps what backups and drills left"
    return [probe(site, past, {POINT: (), DRILL: ()}, _ask, advice)]


def _ask(site: Site, _: Past) -> list[Reading]:
    if not configured():
        said = "only the Prefect server knows, and none is configured"
        return [Reading(name, said, status=Status.UNKNOWN) for name in (POINT, DRILL)]
    key, now = site.name.replace("_", "-"), datetime.now(UTC)
    found = newest([f"points-{key}", f"drill-{key}"])
    points, drill = found.get(f"points-{key}"), found.get(f"drill-{key}")
    return [_point(site, points, now), _drill(site, drill, now)]


def _point(site: Site, kept: Artifact | None, now: datetime) -> Reading:
    advice = f"rollout backup {site.name}"
    if not site.environment.backup.repository:
        said = "no repository: nothing to restore from"
        return Reading(POINT, said, status=Status.WARN, advice="set backup.repository")
    names = [
        str(row["point"])
        for row in (kept.rows if kept else [])
        if row.get("point") and row.get("reason") != BEFORE_RESTORE
    ]
    if not names:
        return Reading(POINT, "none yet", status=Status.UNKNOWN, advice=advice)
    made = datetime.strptime(max(names), _NAME).replace(tzinfo=UTC)
    hours = (now - made).total_seconds() / _HOUR_S
    window = site.environment.backup.window_h
    late = f"the last backup is overdue: look at its last run, then: {advice}"
    return Reading(POINT, max(names), hours, "h old", (window, 2 * window), advice=late)


def _drill(site: Site, kept: Artifact | None, now: datetime) -> Reading:
    advice = f"rollout drill {site.name}"
    if kept is None:
        return Reading(DRILL, "never", status=Status.UNKNOWN, advice=advice)
    days = (now - kept.at).total_seconds() / _DAY_S
    said = f"on {kept.at:%Y-%m-%d}"
    return Reading(DRILL, said, days, "days ago", site.environment.limits.drill_days, advice=advice)
