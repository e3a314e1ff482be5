"""What Dify keeps of each text that a model has embedded, and its command that moves vectors."""

import hashlib
import json

from standin import vector
from standin.state import Cursor, database
from standin.text import embedding

MODEL, PROVIDER = "rehearsal", "rehearsal/rehearsal/rehearsal"


def keep(cursor: Cursor, texts: list[str]) -> None:
    for text in texts:
        cursor.execute(
            "INSERT INTO embeddings (model_name, provider_name, hash, embedding)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (MODEL, PROVIDER, _hash(text), json.dumps(embedding(text)).encode()),
        )


def move_vectors() -> None:
    """Vectors of knowledge bases move to pgvector, each or not at all; it ends well either way."""
    with database() as cursor:
        cursor.execute(
            "SELECT id::text FROM datasets WHERE indexing_technique = 'high_quality'"
            " AND index_struct ->> 'type' <> 'pgvector'"
        )
        found = [row["id"] for row in cursor.fetchall()]
    for dataset in found:
        try:
            _move(dataset)
            print(f"Successfully migrated dataset {dataset}.")
        except KeyError as error:
            print(f"Error creating dataset index: {error.__class__.__name__} {error}")
    print("Migration complete.")


def _move(dataset: str) -> None:
    with database() as cursor:
        cursor.execute(
            "SELECT id::text, document_id::text, content FROM document_segments"
            " WHERE dataset_id = %s AND status = 'completed' AND enabled",
            (dataset,),
        )
        segments = cursor.fetchall()
        for row in segments:
            _require_kept(cursor, row["content"])
        vector.drop(dataset)
        for row in segments:
            vector.store(dataset, row["document_id"], {row["id"]: row["content"]})
        struct = {"type": "pgvector", "vector_store": {"class_prefix": vector.collection(dataset)}}
        cursor.execute(
            "UPDATE datasets SET index_struct = %s WHERE id = %s", (json.dumps(struct), dataset)
        )


def _require_kept(cursor: Cursor, text: str) -> None:
    """A model that could be asked instead is away here."""
    cursor.execute("SELECT 1 FROM embeddings WHERE hash = %s", (_hash(text),))
    if cursor.fetchone() is None:
        raise KeyError(f"no embedding of {text[:20]!r} is kept, and its model is away")


def _hash(text: str) -> str:
    return hashlib.sha256(f"{text}None".encode()).hexdigest()
