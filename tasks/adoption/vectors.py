"""Vectors that a Dify has in another store: what moving them into its own database takes; the move.

Dify's own command moves them. It asks nothing of the other store, and no model for a text whose
embedding Dify's database keeps (table `embeddings`, by the SHA-256 of the text). Read from Dify's
source, and tried with 1.15.0 from Chroma to pgvector.
"""

from dataclasses import replace
from typing import LiteralString

from psycopg import sql

from clients.postgres import Connection
from config.hand_steps import Done, HandStep, Run
from config.rules.adoptable import OWN, Vectors
from config.rules.revisions import number
from tasks.adoption.origin import Origin
from tasks.core.site import Site
from tasks.steps.pgsql import dify_database
from tasks.upgrades.hand_steps import carry_out

_PLUGINS = 1, 0, 0
_REPLIES = "app_annotation_settings"


def _moving(name: str, whose: str, scope: str, left: str) -> HandStep:
    """Dify's command, which ends well even where it could not move one, and leaves out the moved.

    `left`: a query for how many are still elsewhere.
    """
    command = [f"flask vdb-migrate --scope {scope}"]
    return HandStep(
        name=name,
        why=f"vectors of {whose} move into Dify's own database",
        when="after",
        run=Run(service="api", entrypoint=["/bin/sh", "-ec"], command=command),
        done=Done(query=left, wanted="0"),
    )


KNOWLEDGE = _moving("vdb-migrate", "knowledge bases", "knowledge", """
SELECT count(*) FROM datasets WHERE indexing_technique = 'high_quality'
   AND nullif(index_struct::text, '')::jsonb ->> 'type' <> 'pgvector'
""")  # fmt: skip
# Dify names the table of an app's replies as that of a knowledge base with its id.
REPLIES = _moving("vdb-migrate-annotations", "annotation replies", "annotation", """
SELECT count(DISTINCT a.id) FROM app_annotation_settings t
  JOIN apps a ON a.id = t.app_id AND a.status = 'normal'
  JOIN dataset_collection_bindings b ON b.id = t.collection_binding_id
  JOIN message_annotations m ON m.app_id = a.id
 WHERE to_regclass('embedding_vector_index_' || replace(a.id::text, '-', '_') || '_node') IS NULL
""")  # fmt: skip

_BASES = """
SELECT index_struct::jsonb ->> 'type', count(*) FROM datasets
 WHERE indexing_technique = 'high_quality' AND index_struct::text <> '' GROUP BY 1
"""
# How many texts the command moves, and for how many of them no embedding is kept.
_TEXTS = r"""
WITH base AS (
    SELECT * FROM datasets WHERE indexing_technique = 'high_quality'
       AND nullif(index_struct::text, '')::jsonb ->> 'type' <> 'pgvector'),
segment AS (
    SELECT s.id, s.content, d.doc_form, base.embedding_model AS model,
           base.embedding_model_provider AS provider
      FROM base JOIN documents d ON d.dataset_id = base.id AND d.indexing_status = 'completed'
       AND d.enabled AND NOT d.archived
      JOIN document_segments s ON s.document_id = d.id AND s.status = 'completed' AND s.enabled),
moved (text, model, provider) AS (SELECT content, model, provider FROM segment {more})
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
       SELECT FROM embeddings e WHERE e.model_name = model AND e.provider_name = {provider}
          AND e.hash = encode(sha256(convert_to(text || 'None', 'UTF8')), 'hex')))
  FROM moved WHERE text ~ '\S'
"""
_OF_CHILDREN = """
UNION ALL SELECT c.content, s.model, s.provider FROM segment s
  JOIN child_chunks c ON c.segment_id = s.id WHERE s.doc_form = 'hierarchical_model'
"""
_OF_REPLIES = """
UNION ALL SELECT m.question, b.model_name, b.provider_name FROM app_annotation_settings t
  JOIN apps a ON a.id = t.app_id AND a.status = 'normal'
  JOIN dataset_collection_bindings b ON b.id = t.collection_binding_id
  JOIN message_annotations m ON m.app_id = a.id
"""
# With plugins a provider has the name of its plugin, also where a row has the short one of before.
_LONG = """
CASE WHEN provider LIKE '%/%' THEN provider ELSE 'langgenius/' || provider || '/' || provider END
"""
# Table → what has vectors of its own that the command leaves out, and how many there are.
_LEFT: dict[str, tuple[str, LiteralString]] = {
    "document_segment_summaries": (
        "summaries of texts",
        """
SELECT count(*) FROM document_segment_summaries JOIN datasets d ON d.id = dataset_id
 WHERE nullif(index_struct::text, '')::jsonb ->> 'type' <> 'pgvector'
""",
    ),
    "segment_attachment_bindings": (
        "images",
        """
SELECT count(*) FROM segment_attachment_bindings JOIN datasets d ON d.id = dataset_id
 WHERE is_multimodal AND nullif(index_struct::text, '')::jsonb ->> 'type' <> 'pgvector'
""",
    ),
}


def asked(connection: Connection, origin: Origin) -> Vectors:
    """Where vectors of that Dify are, as its own database says."""
    rows = connection.execute(_BASES).fetchall()
    bases = {str(store): int(count) for store, count in rows}
    annotated = 0
    if _exists(connection, _REPLIES):
        [annotated] = _numbers(connection, "SELECT count(*) FROM app_annotation_settings")
    found = Vectors(bases, annotated, _store(origin))
    if not found.move:
        return found
    texts, unkept = _texts(connection, found, plugins=number(origin.version) >= _PLUGINS)
    return replace(found, texts=texts, unkept=unkept, left=_left(connection))


def move(site: Site, origin: Origin) -> list[str]:
    """A note if vectors were moved; all that the other Dify had elsewhere are in Dify's database.

    Raises:
        StepError: Dify's command left some where they were, with its last words.
    """
    with dify_database(site).connect() as connection:
        # Where they were in pgvector already nothing of them was planned, nor may a model be asked.
        replies = _store(origin) != OWN and _exists(connection, _REPLIES)
        [bases] = _numbers(connection, KNOWLEDGE.done.query.encode())
    carry_out(site, [KNOWLEDGE, *([REPLIES] if replies else [])])
    return [f"vectors of {bases} knowledge bases are in Dify's own database now"] if bases else []


def _store(origin: Origin) -> str:
    """Where that Dify has the vectors of annotation replies, and of new knowledge bases."""
    return origin.settings.get("VECTOR_STORE", "")


def _texts(connection: Connection, found: Vectors, *, plugins: bool) -> list[int]:
    more: list[LiteralString] = []
    if _exists(connection, "child_chunks"):
        more.append(_OF_CHILDREN)
    if found.apps:
        more.append(_OF_REPLIES)
    query = sql.SQL(_TEXTS).format(
        more=sql.SQL("").join(map(sql.SQL, more)),
        provider=sql.SQL(_LONG if plugins else "provider"),
    )
    return _numbers(connection, query)


def _left(connection: Connection) -> dict[str, int]:
    found: dict[str, int] = {}
    for table, (name, query) in _LEFT.items():
        if _exists(connection, table):
            [found[name]] = _numbers(connection, query)
    return {name: count for name, count in found.items() if count}


def _exists(connection: Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    return bool(row and row[0])


def _numbers(connection: Connection, query: LiteralString | bytes | sql.Composed) -> list[int]:
    """The numbers of the only row."""
    [row] = connection.execute(query).fetchall()
    return [int(value) for value in row]
