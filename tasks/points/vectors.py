"""Knowledge bases with embeddings, searched without their model: what is stored is the question."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from clients.dify import Dify
from clients.dify.knowledge import FULL_TEXT
from clients.postgres import Connection
from tasks.core.site import Site
from tasks.points.kept import some
from tasks.probes.engine import Wrong
from tasks.steps.pgsql import dify_database

NEAREST = "a vector of before is found in its index"
ADVICE = "look at the log of PostgreSQL, and at the extension vector in Dify's database"
_MOST = 5
_BASES = """
SELECT id::text, lower('embedding_' || (index #>> '{vector_store,class_prefix}')) FROM (
    SELECT d.*, nullif(d.index_struct::text, '')::jsonb AS index FROM datasets d
     WHERE d.indexing_technique = 'high_quality') AS base
 WHERE index ->> 'type' = 'pgvector'
   AND EXISTS (SELECT FROM document_segments s WHERE s.dataset_id = base.id AND s.status = 'completed')
   AND (%(email)s = '' OR EXISTS (
        SELECT FROM tenant_account_joins j JOIN accounts a ON a.id = j.account_id
         WHERE j.tenant_id = base.tenant_id AND a.email = %(email)s))
 ORDER BY created_at DESC LIMIT %(most)s
"""  # noqa: E501
# Of three vectors one is enough: the graph of an HNSW index can lose a row. A distance is rounded.
_NEAREST = """
SELECT bool_or(coalesce(distance < 0.0001, false)) FROM (
    SELECT embedding FROM {table} WHERE EXISTS (
        SELECT FROM documents d WHERE d.id::text = meta ->> 'document_id') LIMIT 3) AS stored
  LEFT JOIN LATERAL (SELECT embedding <=> stored.embedding AS distance FROM {table}
                      ORDER BY embedding <=> stored.embedding LIMIT 1) AS nearest ON true
"""
_WORD = """
SELECT token FROM (SELECT text FROM {table} LIMIT 20) AS stored, ts_debug(stored.text)
 WHERE alias IN ('asciiword', 'word') AND cardinality(lexemes) > 0
 ORDER BY length(token) DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base and the table of its vectors."""

    id: str
    table: str


def nearest(site: Site) -> str:
    """In how many of the newest knowledge bases a stored vector is found by itself.

    Raises:
        Wrong: in some it is not, or they have no vectors any more.
    """
    with dify_database(site).connect() as connection:
        found = bases(connection)
        there = [base for base in found if _exists(connection, base)]
        lost = [base.id for base in there if _value(connection, base, _NEAREST) is False]
    gone = [base.id for base in found if base not in there]
    if gone or lost:
        raise Wrong(
            some("knowledge bases have no table of vectors", gone)
            + some("knowledge bases do not find a vector that they have", lost)
        )
    return f"in {len(found)} knowledge bases with embeddings"


def document(site: Site, dify: Dify) -> bool:
    """Whether there is a knowledge base with embeddings; Dify finds a word of it, by full text.

    That reads the table of its vectors and does not ask its model, as a search by meaning would.

    Raises:
        Wrong: it finds nothing.
    """
    with dify_database(site).connect() as connection:
        known = next(_questions(connection, site.environment.dify.admin_email), None)
    if known and not dify.knowledge.retrieve(*known, FULL_TEXT):
        raise Wrong(f"a search in the knowledge base {known[0]} finds nothing")
    return known is not None


def _questions(connection: Connection, email: str) -> Iterator[tuple[str, str]]:
    """Knowledge bases of that account, each with a word that is in it."""
    for base in bases(connection, email):
        if _exists(connection, base) and (word := _value(connection, base, _WORD)):
            yield base.id, str(word)


def bases(connection: Connection, email: str = "") -> list[Base]:
    """The newest that have embeddings in Dify's database, and documents; of that account or all."""
    found = connection.execute(_BASES.encode(), {"email": email, "most": _MOST})
    return [Base(str(base), str(table)) for base, table in found]


def _exists(connection: Connection, base: Base) -> bool:
    name = sql.Identifier(base.table).as_string(connection)
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return bool(row and row[0])


def _value(connection: Connection, base: Base, query: LiteralString) -> object:
    asked = sql.SQL(query).format(table=sql.Identifier(base.table))
    row = connection.execute(asked).fetchone()
    return row[0] if row else None
