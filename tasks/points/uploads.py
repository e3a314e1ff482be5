"""What Dify's database says it has: rows, uploads, tenants, and the files that belong to them."""

from dataclasses import dataclass
from pathlib import PurePath

from psycopg import sql

from clients.postgres import Connection

TABLES = ("tenants", "accounts", "upload_files", "datasets", "documents", "document_segments",
          "apps", "messages", "end_users")  # fmt: skip
FOLDER, KEYS = "upload_files", "privkeys"


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file and where it lies below the storage."""

    id: str
    key: str


def private_key(tenant: str) -> PurePath:
    """Where a tenant's private key lies below the storage."""
    return PurePath(KEYS, tenant, "private.pem")


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


def public_keys(connection: Connection) -> dict[str, str]:
    """Tenant → its public key, as stored."""
    if not _exists(connection, "tenants"):
        return {}
    query = "SELECT id::text, encrypt_public_key FROM tenants WHERE encrypt_public_key <> ''"
    return {str(tenant): str(public) for tenant, public in connection.execute(query)}


def newest_text(connection: Connection, email: str) -> Upload | None:
    """The newest text file in a workspace of that account."""
    query = (
        "SELECT f.id::text, f.key FROM upload_files f"
        " JOIN tenant_account_joins j ON j.tenant_id = f.tenant_id"
        " JOIN accounts a ON a.id = j.account_id"
        " WHERE a.email = %s AND f.extension IN ('txt', 'md') ORDER BY f.created_at DESC LIMIT 1"
    )
    row = connection.execute(query, [email]).fetchone()
    return Upload(str(row[0]), str(row[1])) if row else None


def segment(connection: Connection, email: str) -> tuple[str, str] | None:
    """A knowledge base of that account which needs no model, and the text of one segment."""
    query = (
        "SELECT d.id::text, s.content FROM document_segments s"
        " JOIN datasets d ON d.id = s.dataset_id"
        " JOIN tenant_account_joins j ON j.tenant_id = d.tenant_id"
        " JOIN accounts a ON a.id = j.account_id"
        " WHERE a.email = %s AND d.indexing_technique = 'economy' AND s.status = 'completed'"
        " ORDER BY s.created_at DESC LIMIT 1"
    )
    row = connection.execute(query, [email]).fetchone()
    return (str(row[0]), str(row[1])[:200]) if row else None


def revision(connection: Connection) -> str:
    """Revision of the schema, empty where Dify never migrated."""
    if not _exists(connection, "alembic_version"):
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _exists(connection: Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    return row is not None and row[0] is not None
