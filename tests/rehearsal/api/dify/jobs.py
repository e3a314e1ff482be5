"""Jobs a worker takes from Redis, by real Celery."""

import hashlib
import json
import math
import re
import time
import uuid
from typing import Any

from celery import Celery

from dify import workflow
from dify.settings import need
from dify.state import cache, database, storage, vectors

app = celery = Celery("dify", broker=need("CELERY_BROKER_URL"))
app.conf.update(
    broker_connection_retry=True,
    task_ignore_result=True,
    beat_schedule={
        "heartbeat": {
            "task": "dify.jobs.heartbeat",
            "schedule": 60.0,
            "options": {"queue": "dataset"},
        }
    },
)
DIMENSIONS = 64


@app.task
def heartbeat() -> None:
    cache().set("rehearsal:heartbeat", str(time.time()))


@app.task
def index_document(document: str) -> None:
    """Split the document into segments, note their keywords, store a vector of each."""
    with database() as cursor:
        cursor.execute(
            "SELECT d.dataset_id, f.key FROM documents d JOIN upload_files f ON f.id = d.upload_file_id"
            " WHERE d.id = %s", (document,),
        )  # fmt: skip
        row = cursor.fetchone()
        text = (storage() / row["key"]).read_text(errors="replace")
        segments = [part.strip() for part in text.split("\n\n") if part.strip()]
        keywords: dict[str, list[str]] = {}
        stored: list[tuple[str, str]] = []
        for position, content in enumerate(segments):
            segment = str(uuid.uuid4())
            cursor.execute(
                "INSERT INTO document_segments (id, dataset_id, document_id, position, content, status)"
                " VALUES (%s, %s, %s, %s, %s, 'completed')",
                (segment, row["dataset_id"], document, position, content),
            )
            stored.append((segment, content))
            for word in words(content):
                keywords.setdefault(word, []).append(segment)
        cursor.execute(
            "INSERT INTO dataset_keyword_tables VALUES (%s, %s)"
            " ON CONFLICT (dataset_id) DO UPDATE SET keyword_table = EXCLUDED.keyword_table",
            (row["dataset_id"], json.dumps(keywords)),
        )
    store_vectors(str(row["dataset_id"]), stored)
    with database() as cursor:
        cursor.execute(
            "UPDATE documents SET indexing_status = 'completed' WHERE id = %s", (document,)
        )


def store_vectors(dataset: str, segments: list[tuple[str, str]]) -> None:
    table = vector_table(dataset)
    with vectors() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE EXTENSION vector")
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (id uuid PRIMARY KEY, text text NOT NULL,"
            f" meta jsonb NOT NULL, embedding vector({DIMENSIONS}) NOT NULL)"
        )
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS {table}_idx ON {table}"
            " USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
        )
        for segment, content in segments:
            cursor.execute(
                f"INSERT INTO {table} VALUES (%s, %s, '{{}}', %s::vector)",
                (segment, content, str(embedding(content))),
            )


@app.task
def delete_dataset(dataset: str) -> None:
    with database() as cursor:
        for table in ("document_segments", "documents", "dataset_keyword_tables"):
            cursor.execute(f"DELETE FROM {table} WHERE dataset_id = %s", (dataset,))
    with vectors() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {vector_table(dataset)}")


@app.task
def delete_app(app_id: str) -> None:
    with database() as cursor:
        for table in ("workflow_runs", "workflows", "api_tokens"):
            cursor.execute(f"DELETE FROM {table} WHERE app_id = %s", (app_id,))


@app.task
def run_workflow(run: str, graph: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Run it and publish each event for the API that streams it."""
    bus = cache()
    for event, data in workflow.run(graph, inputs):
        bus.publish(f"workflow:{run}", json.dumps({"event": event, "data": data}))


def words(text: str) -> list[str]:
    return sorted(set(re.findall(r"\w{3,}", text.lower())))


def embedding(text: str) -> list[float]:
    """A unit vector that is the same for the same words."""
    vector = [0.0] * DIMENSIONS
    for word in words(text):
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    length = math.sqrt(sum(v * v for v in vector)) or 1.0
    return [v / length for v in vector] if any(vector) else [1.0] + [0.0] * (DIMENSIONS - 1)


def vector_table(dataset: str) -> str:
    return "embedding_vector_index_" + str(uuid.UUID(dataset)).replace("-", "_") + "_node"
