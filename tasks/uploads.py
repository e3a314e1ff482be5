"""What Dify's database says it has: rows, and the files that belong to them."""

from psycopg import sql

from blocks.postgres import Connection

TABLES = ("tenants", "accounts", "upload_files", "datasets", "documents", "document_segments",
          "apps", "messages", "end_users")  # fmt: skip


def rows(connection: Connection) -> dict[str, int]:
    """Table → number of rows, for those of the tables people ask about that are there."""
    found: dict[str, int] = {}
    for table in TABLES:
        if _exists(connection, table):
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            row = connection.execute(query).fetchone()
            found[table] = int(row[0]) if row else 0
    return found


def keys(connection: Connection) -> dict[str, str]:
    """Where each uploaded file lies below the storage → SHA3-256 of it as Dify noted it."""
    if not _exists(connection, "upload_files"):
        return {}
    query = "SELECT key, coalesce(hash, '') FROM upload_files"
    return {str(key): str(digest) for key, digest in connection.execute(query)}


def revision(connection: Connection) -> str:
    """Revision of the schema, empty where Dify never migrated."""
    if not _exists(connection, "alembic_version"):
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _exists(connection: Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    return row is not None and row[0] is not None
