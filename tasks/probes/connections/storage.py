"""Where files and restore points are kept: object store, backup repository, recovery kit."""

from functools import partial
from itertools import starmap

from blocks.repository import new
from clients.command import CommandFailed
from clients.restic import masked
from config.errors import RolloutError
from config.release import S3
from tasks.core.site import Site
from tasks.points import repository_access
from tasks.points.buckets import service
from tasks.points.repository import Repository, RepositoryAway, tool
from tasks.probes.connections.connection import connection
from tasks.probes.engine import NotYet, Probe
from tasks.tools import age

FIRST_BACKUP = "first backup"
BUCKET = "mend [storage], or the secrets s3_access_key and s3_secret_key"
REPOSITORY = "mend backup.repository, or its saved password"
RECIPIENT = "mend the key in backup.recipients"


def buckets(site: Site) -> list[Probe]:
    storage = site.environment.storage
    if storage.kind != "s3":
        return []
    where = storage.endpoint or f"AWS {storage.region}"
    named = {"storage.bucket": storage.bucket, "storage.plugin_bucket": storage.plugin_bucket}
    return [
        connection(
            "object store", key, f"{name} at {where}", partial(_ask_bucket, site, name), BUCKET
        )
        for key, name in named.items()
    ]


def repository(site: Site) -> list[Probe]:
    if not site.environment.backup.repository:
        return []
    name = masked(site.environment.backup.repository)
    ask = partial(_ask_repository, site)
    return [connection("backup repository", "backup.repository", name, ask, REPOSITORY)]


def recipients(site: Site) -> list[Probe]:
    """Whoever opens the recovery kit: each key takes a message."""

    def recipient(number: int, key: str) -> Probe:
        ask = partial(_ask_recipient, site, key)
        place = f"backup.recipients.{number}"
        return connection("age recipient", place, _short(key), ask, RECIPIENT)

    return list(starmap(recipient, enumerate(site.environment.backup.recipients)))


def _ask_bucket(site: Site, name: str) -> str:
    if missing := [key for key in S3 if key not in site.secrets]:
        raise NotYet(f"{', '.join(missing)} not given", because="secrets")
    return service(site, name).check()


def _ask_repository(site: Site) -> str:
    """With a password made up where none is saved: whether something lies there is told then."""
    restic = site.node.which("restic")
    if restic is None:
        raise NotYet("restic is not there yet; the first backup installs it", FIRST_BACKUP)
    access = repository_access.load(site)
    there = access is not None and access.initialised == site.environment.backup.repository
    access = access or new()
    asked = Repository(site, tool(restic, site, access), access)
    try:
        asked.run(asked.tool.config())
    except RepositoryAway as error:
        if there:
            raise
        said = f"the first backup makes it; now: {error.cause}"
        raise NotYet(said, FIRST_BACKUP) from None
    return "opens with the saved password"


def _ask_recipient(site: Site, key: str) -> str:
    if site.node.which("age") is None:
        raise NotYet("age is not there yet; the first backup installs it", FIRST_BACKUP)
    try:
        site.node.run(age.encrypt([key], "check"))
    except CommandFailed as error:
        said = error.output.strip().splitlines() or ["it says nothing"]
        raise RolloutError(f"age does not encrypt to this key: {said[0]}") from None
    return "takes an encrypted message"


def _short(key: str) -> str:
    return key if len(key) <= 24 else f"{key[:12]}…{key[-8:]}"  # noqa: PLR2004 - a table's cell
