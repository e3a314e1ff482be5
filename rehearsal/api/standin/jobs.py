"""Jobs a worker takes from Redis, by real Celery."""

import json
import time
import uuid
from pathlib import Path

from celery import Celery

from standin import embeddings, runs, storage, vector
from standin.settings import BEAT_QUEUE, BROKER, DATABASE, REDIS, require, text
from standin.state import Cursor, cache, database, event_bus
from standin.text import segments, words

require(*DATABASE, *REDIS, *BROKER)
storage.prepare()
celery = Celery("standin", broker=text("CELERY_BROKER_URL"), backend=text("CELERY_BROKER_URL"))
celery.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    beat_schedule_filename="celerybeat-schedule",
    beat_schedule={
        "heartbeat": {
            "task": "standin.jobs.heartbeat",
            "schedule": 10.0,
            "options": {"queue": BEAT_QUEUE, "expires": 10},
        }
    },
)


@celery.task
def heartbeat() -> None:
    cache().set("rehearsal:heartbeat", int(time.time()))


@celery.task
def index_document(document: str) -> None:
    """Split the document into segments, note their keywords, store a vector of each."""
    with database() as cursor:
        cursor.execute(
            "UPDATE documents SET indexing_status = 'parsing', processing_started_at = now()"
            " WHERE id = %s",
            (document,),
        )
    try:
        _index(document)
    except Exception as error:
        with database() as cursor:
            cursor.execute(
                "UPDATE documents SET indexing_status = 'error', error = %s, stopped_at = now()"
                " WHERE id = %s",
                (str(error), document),
            )
        raise


def _index(document: str) -> None:
    with database() as cursor:
        cursor.execute(
            "SELECT d.dataset_id, d.process_rule, f.key FROM documents d"
            " JOIN upload_files f ON f.id = d.upload_file_id WHERE d.id = %s",
            (document,),
        )
        row = cursor.fetchone()
        content = storage.read(row["key"]).decode(errors="replace")
        rule = (row["process_rule"].get("rules") or {}).get("segmentation") or {}
        parts = segments(
            content,
            rule.get("separator", "\n\n"),
            int(rule.get("max_tokens", 1000)),
            int(rule.get("chunk_overlap", 0)),
        )
        stored = {str(uuid.uuid4()): part for part in parts}
        _store_segments(cursor, str(row["dataset_id"]), document, stored)
        _note_keywords(cursor, str(row["dataset_id"]), stored)
        embeddings.keep(cursor, list(stored.values()))
    vector.store(str(row["dataset_id"]), document, stored)
    with database() as cursor:
        cursor.execute(
            "UPDATE documents SET indexing_status = 'completed', completed_at = now(),"
            " word_count = %s WHERE id = %s",
            (len(content), document),
        )


def _store_segments(cursor: Cursor, dataset: str, document: str, stored: dict[str, str]) -> None:
    for position, (segment, part) in enumerate(stored.items(), start=1):
        cursor.execute(
            "INSERT INTO document_segments (id, dataset_id, document_id, position, content,"
            " keywords, status, completed_at) VALUES (%s, %s, %s, %s, %s, %s, 'completed', now())",
            (segment, dataset, document, position, part, json.dumps(words(part))),
        )


def _note_keywords(cursor: Cursor, dataset: str, stored: dict[str, str]) -> None:
    """Economy indexing: one row a dataset, each word with the segments that hold it."""
    Path("/tmp/jieba.cache").touch()  # where the library of Dify's keeps its words
    cursor.execute(
        "INSERT INTO dataset_keyword_tables (dataset_id, keyword_table) VALUES (%s, '{}')"
        " ON CONFLICT (dataset_id) DO NOTHING",
        (dataset,),
    )
    cursor.execute(
        "SELECT keyword_table FROM dataset_keyword_tables WHERE dataset_id = %s FOR UPDATE",
        (dataset,),
    )
    table = json.loads(cursor.fetchone()["keyword_table"])
    for segment, part in stored.items():
        for word in words(part):
            table.setdefault(word, []).append(segment)
    cursor.execute(
        "UPDATE dataset_keyword_tables SET keyword_table = %s WHERE dataset_id = %s",
        (json.dumps(table), dataset),
    )


@celery.task
def delete_dataset(dataset: str) -> None:
    """What belonged to the dataset, the uploaded files included."""
    with database() as cursor:
        cursor.execute(
            "DELETE FROM upload_files f USING documents d"
            " WHERE d.upload_file_id = f.id AND d.dataset_id = %s RETURNING f.key",
            (dataset,),
        )
        for row in cursor.fetchall():
            storage.delete(row["key"])
        for table in ("document_segments", "documents", "dataset_keyword_tables"):
            cursor.execute(f"DELETE FROM {table} WHERE dataset_id = %s", (dataset,))
    vector.drop(dataset)


@celery.task
def delete_app(app: str) -> None:
    with database() as cursor:
        for table in ("workflow_runs", "workflows", "api_tokens"):
            cursor.execute(f"DELETE FROM {table} WHERE app_id = %s", (app,))


@celery.task
def run_workflow(payload: str) -> None:
    """Run it and publish each event for the API that streams it; it comes as JSON, as in Dify."""
    bus, run = event_bus(), json.loads(payload)
    for event in runs.events(run):
        bus.publish(runs.channel(run), json.dumps(event))
