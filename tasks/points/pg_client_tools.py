"""PostgreSQL's client programs: those that fit the server."""

from pathlib import Path

from clients.files import File
from clients.postgres import Postgres
from config.desired.postgres_trust import NAME
from config.errors import StepError
from tasks.core.site import Site
from tasks.tools import pg_dump
from tasks.tools.pg_dump import Clients


def clients(site: Site, database: Postgres) -> Clients:
    """Programs not older than the server, as close to it as there are.

    Raises:
        StepError: the node has none.
    """
    with database.connect() as connection:
        major = connection.info.server_version // 10_000
    folders = list(pg_dump.FOLDERS)
    if found := site.node.which("pg_dump"):
        folders.insert(0, Path(found).parent)
    folders = [*site.platform.postgres_programs(site), *folders]
    fitting: dict[int, Clients] = {}
    authority = _authority(site, database)
    for folder in folders:
        done = site.node.attempt(Clients(folder).version())
        version = pg_dump.parse_version(done.stdout)
        if done.status == 0 and version >= major:
            fitting.setdefault(version, Clients(folder, authority))
    if not fitting:
        raise StepError(
            "backup",
            f"the server is PostgreSQL {major}, and no pg_dump of {major} or newer is here",
            advice=f"install its client programs, like the package postgresql-client-{major}",
        )
    return fitting[min(fitting)]


def _authority(site: Site, database: Postgres) -> Path | None:
    """The file of whom the server's certificate is from, on the node; before a restore the stack
    has none yet.
    """
    if not database.ca:
        return None
    path, content = site.environment.dify.home / NAME, database.ca.encode()
    if site.node.read(path) != content:
        site.node.write(File(path, content, mode=0o644))
    return path
