"""One table of vectors a dataset, as Dify names and builds them in pgvector."""

import json
import uuid

from standin.settings import text
from standin.state import vectors
from standin.text import DIMENSIONS, embedding


def collection(dataset: str) -> str:
    return f"Vector_index_{str(uuid.UUID(dataset)).replace('-', '_')}_Node"


def table(dataset: str) -> str:
    return f"embedding_{collection(dataset)}".lower()


def store(dataset: str, document: str, segments: dict[str, str]) -> None:
    if not _enabled():
        return
    name = table(dataset)
    with vectors() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE EXTENSION vector")
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (id uuid PRIMARY KEY, text text NOT NULL,"
            f" meta jsonb NOT NULL, embedding vector({DIMENSIONS}) NOT NULL) USING heap"
        )
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS embedding_cosine_v1_idx_{uuid.UUID(dataset).hex} ON {name}"
            " USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
        )
        for segment, part in segments.items():
            meta = json.dumps({"doc_id": segment, "document_id": document, "dataset_id": dataset})
            cursor.execute(
                f"INSERT INTO {name} VALUES (%s, %s, %s, %s::vector)",
                (segment, part, meta, str(embedding(part))),
            )


def nearest(dataset: str, query: str, limit: int) -> dict[str, float]:
    """Segment → similarity, best first."""
    with vectors() as cursor:
        cursor.execute(
            f"SELECT id, embedding <=> %s::vector AS distance FROM {table(dataset)}"
            " ORDER BY distance LIMIT %s",
            (str(embedding(query)), limit),
        )
        return {str(row["id"]): 1 - row["distance"] for row in cursor.fetchall()}


def with_words(dataset: str, query: str, limit: int) -> dict[str, float]:
    """Segment → rank, best first, of those that have all words of the query."""
    with vectors() as cursor:
        cursor.execute(
            "SELECT id, ts_rank(to_tsvector(text), plainto_tsquery(%(query)s)) AS score"
            f" FROM {table(dataset)} WHERE to_tsvector(text) @@ plainto_tsquery(%(query)s)"
            " ORDER BY score DESC LIMIT %(limit)s",
            {"query": f"'{query}'", "limit": limit},
        )
        return {str(row["id"]): row["score"] for row in cursor.fetchall()}


def drop(dataset: str) -> None:
    if _enabled():
        with vectors() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {table(dataset)}")


def _enabled() -> bool:
    return text("VECTOR_STORE") == "pgvector"
