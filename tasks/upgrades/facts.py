"""What is asked before an upgrade begins; nothing is changed."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from psycopg import sql

from clients import curl
from clients.postgres import Connection
from config.load import load_release, release_names
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.steps import revisions
from tasks.steps.pgsql import dify_database
from tasks.tools import space

MARKETPLACE = "https://marketplace.dify.ai"
MARKETPLACE_WITHIN_S = 10
# What people ask about after a way back; and what the slow migrations of the past rewrote.
PEOPLES = ("conversations", "messages", "workflow_runs", "documents")
LARGE = ("messages", "conversations", "workflow_runs", "workflow_node_executions", "end_users")
_LARGE_BYTES = 100_000_000


def older(site: Site, version: str) -> Site:
    """The same environment with that release, which was promoted from nowhere."""
    dify = site.environment.dify.model_copy(update={"release": version})
    environment = site.environment.model_copy(update={"dify": dify})
    return Site(environment, load_release(version), site.secrets, site.node)


def schema(site: Site) -> list[str]:
    """Every revision the database says it is at; none where Dify never migrated."""
    if revisions.in_database(site) is None:
        return []
    with dify_database(site).connect() as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return [str(row[0]) for row in found]


def known(site: Site, old: str) -> Sequence[str]:
    """The revisions that the images of both releases bring; empty while one of them is not here."""
    sites = [site, *([older(site, old)] if old in release_names() else [])]
    if not usable(site) or not all(revisions.here(each) for each in sites):
        return ()
    return [revision for each in sites for revision in revisions.ask(each)]


def postgres_major(site: Site) -> int:
    with dify_database(site).connect() as connection:
        return connection.info.server_version // 10_000


def marketplace_reached(site: Site) -> bool:
    """Whether the first node gets an answer from it, through the proxy it has for images."""
    options = {"url": MARKETPLACE, "head": "", "output": "/dev/null"}
    if site.environment.docker.proxy:
        options["proxy"] = site.environment.docker.proxy
    try:
        return curl.ask(site.node, options, site.within(MARKETPLACE_WITHIN_S)).status > 0
    except curl.NoAnswer:
        return False


def held(site: Site) -> int:
    """Bytes of Dify's databases."""
    postgres = site.environment.postgres
    query = "SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datname = ANY (%s)"
    with dify_database(site).connect() as connection:
        names = [postgres.database, postgres.plugin_database]
        row = connection.execute(query, [names]).fetchone()
    return int(row[0] or 0) if row else 0


def free(site: Site) -> dict[str, int]:
    """Free bytes where files are restored to, and where the repository is, if that is a folder."""
    backup = site.environment.backup
    own = [Path(backup.repository)] if backup.repository and not backup.remote else []
    _, rooms = space.parse(site.node.run(space.ask([site.environment.dify.data, *own])))
    return {room.at: room.free for room in rooms}


def sizes(site: Site) -> dict[str, int]:
    """Table → bytes, with its indexes: of those that slow migrations rewrote, the large ones."""
    with dify_database(site).connect() as connection:
        found = connection.execute(
            "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables"
            " WHERE relname = ANY (%s)",
            [list(LARGE)],
        )
        return {str(name): int(size) for name, size in found if int(size) >= _LARGE_BYTES}


def newer(site: Site, since: datetime) -> dict[str, int]:
    """Table → rows that were made since then; tables without such rows are left out."""
    with dify_database(site).connect() as connection:
        found = {table: _made_since(connection, table, since) for table in PEOPLES}
    return {table: count for table, count in found.items() if count}


def _made_since(connection: Connection, table: str, since: datetime) -> int:
    there = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    if there is None or there[0] is None:
        return 0
    query = sql.SQL("SELECT count(*) FROM {} WHERE created_at > %s AT TIME ZONE 'utc'")
    row = connection.execute(query.format(sql.Identifier(table)), [since]).fetchone()
    return int(row[0]) if row else 0
