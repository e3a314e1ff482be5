"""A database of a size, for the programs that measure what its size costs."""

from clients.postgres import Connection

ROW_BYTES = 2000


def fill(connection: Connection, mb: int) -> None:
    """Rows that hardly compress, as messages and vectors do."""
    connection.execute("CREATE TABLE bench (id bigserial PRIMARY KEY, content bytea)")
    connection.execute("ALTER TABLE bench ALTER content SET STORAGE EXTERNAL")
    connection.execute(
        "INSERT INTO bench (content) SELECT decode(string_agg(md5(random()::text || i), ''),"
        " 'hex') FROM generate_series(1, %s) i, generate_series(1, %s) GROUP BY i",
        [mb * 1_000_000 // ROW_BYTES, ROW_BYTES // 16],
    )
