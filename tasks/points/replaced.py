"""What a restore replaced: databases and folders beside Dify's own, kept for a stated time."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clients.command import Command
from clients.files import File
from config.rules.restore_point import PREVIOUS
from tasks.core.site import Site
from tasks.points import databases, folders
from tasks.points.databases import twins

log = logging.getLogger("rollout")

DATABASES = ("database", "plugin-database")


def keep(site: Site, now: datetime) -> str:
    """What is kept until when, as a sentence; with `replaced_days = 0` it goes at once."""
    days = site.environment.backup.keep.replaced_days
    if not days:
        drop(site)
        return ""
    content = json.dumps({"at": now.isoformat(timespec="seconds")}).encode()
    site.node.write(File(_mark(site), content, 0o600, keep_previous=False))
    if not (names := _names(site)):
        return ""
    return f"kept until {now + timedelta(days=days):%Y-%m-%d}: what it replaced, {', '.join(names)}"


def expire(site: Site, now: datetime) -> None:
    """What was replaced longer than `replaced_days` ago is gone."""
    content = site.node.read(_mark(site))
    if content is None:
        return
    since = datetime.fromisoformat(json.loads(content)["at"])
    if now - since.astimezone(UTC) < timedelta(days=site.environment.backup.keep.replaced_days):
        return
    log.info("backup: let go of what was replaced on %s: %s", since.date(), ", ".join(_names(site)))
    drop(site)


def drop(site: Site) -> None:
    """Nothing is kept of what a restore replaced."""
    for twin in twins(site, DATABASES) if databases.administered(site) else ():
        databases.drop(site, twin.named(PREVIOUS))
    for place in _places(site):
        folders.remove(site.node, folders.previous(place))
    site.node.run(Command(("rm", "-f", str(_mark(site)))))


def _names(site: Site) -> list[str]:
    found = [
        f"database {twin.named(PREVIOUS).database}"
        for twin in (twins(site, DATABASES) if databases.administered(site) else ())
        if databases.exists(site, twin.named(PREVIOUS))
    ]
    kept = [folders.previous(place) for place in _places(site)]
    return [*found, *(str(path) for path in kept if folders.exists(site.node, path))]


def _places(site: Site) -> list[Path]:
    return [site.environment.dify.data / state.path for state in site.release.state.values()]


def _mark(site: Site) -> Path:
    return site.environment.dify.data / ".replaced.json"
