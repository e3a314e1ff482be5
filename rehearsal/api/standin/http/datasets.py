"""Knowledge: indexed by the worker, searched here."""

import json
import random
import time
import uuid
from collections import Counter
from typing import Any

from flask import Blueprint, request

from standin import embeddings, vector
from standin.http.errors import ApiError, not_found
from standin.http.plugins import providers
from standin.http.session import Account, signed_in
from standin.jobs import delete_dataset, index_document
from standin.settings import INDEX_QUEUE
from standin.state import Cursor, database
from standin.text import words

routes = Blueprint("datasets", __name__, url_prefix="/console/api/datasets")
NAME_CHARACTERS = 18
STAMPS = ("processing_started_at", "completed_at", "stopped_at")


@routes.get("")
def listed() -> dict[str, Any]:
    account = signed_in()
    providers(account.tenant)  # Dify asks for embedding models here, and fails without the daemon
    with database() as cursor:
        cursor.execute(
            "SELECT id, name, indexing_technique FROM datasets WHERE tenant_id = %s"
            " ORDER BY created_at DESC",
            (account.tenant,),
        )
        data = [row | {"id": str(row["id"])} for row in cursor.fetchall()]
    return {"data": data, "has_more": False, "limit": 20, "total": len(data), "page": 1}


@routes.post("/init")
def init() -> dict[str, Any]:
    account = signed_in()
    given = request.get_json()
    if given.get("indexing_technique") != "economy":
        raise ApiError(
            400,
            "provider_not_initialize",
            "No Embedding Model available. Please configure a valid provider"
            " in the Settings -> Model Provider.",
        )
    batch = time.strftime("%Y%m%d%H%M%S") + str(random.randint(100000, 999999))  # noqa: S311
    with database() as cursor:
        files = _files(cursor, account, given)
        dataset = _dataset(cursor, account, given, files[0]["name"])
        documents = [
            _document(cursor, dataset["id"], batch, position, file, given)
            for position, file in enumerate(files, start=1)
        ]
    for document in documents:
        index_document.apply_async((document["id"],), queue=INDEX_QUEUE)
    return {"dataset": dataset, "documents": documents, "batch": batch}


def _files(cursor: Cursor, account: Account, given: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        names = given["data_source"]["info_list"]["file_info_list"]["file_ids"]
    except (KeyError, TypeError):
        raise ApiError(400, "invalid_param", "File info list is required.") from None
    cursor.execute(
        "SELECT id, name FROM upload_files WHERE tenant_id = %s AND id = ANY(%s::uuid[])",
        (account.tenant, names),
    )
    found = cursor.fetchall()
    if not names or len(found) != len(names):
        raise not_found("File")
    return found


def _dataset(cursor: Cursor, account: Account, given: dict[str, Any], file: str) -> dict[str, Any]:
    dataset, name = str(uuid.uuid4()), f"{file[:NAME_CHARACTERS]}..."
    struct = {"type": "pgvector", "vector_store": {"class_prefix": vector.collection(dataset)}}
    cursor.execute(
        "INSERT INTO datasets (id, tenant_id, name, indexing_technique, index_struct,"
        " retrieval_model, embedding_model, embedding_model_provider)"
        " VALUES (%s, %s, %s, 'economy', %s, %s, %s, %s)",
        (dataset, account.tenant, name, json.dumps(struct),
         json.dumps(given.get("retrieval_model")), embeddings.MODEL, embeddings.PROVIDER),
    )  # fmt: skip
    return {
        "id": dataset,
        "name": name,
        "description": f"useful for when you want to answer queries about the {file}",
        "permission": "only_me",
        "data_source_type": "upload_file",
        "indexing_technique": "economy",
        "created_by": account.id,
        "created_at": int(time.time()),
    }


def _document(
    cursor: Cursor,
    dataset: str,
    batch: str,
    position: int,
    file: dict[str, Any],
    given: dict[str, Any],
) -> dict[str, Any]:
    cursor.execute(
        "INSERT INTO documents (dataset_id, position, batch, name, upload_file_id, process_rule)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        (dataset, position, batch, file["name"], file["id"],
         json.dumps(given.get("process_rule") or {})),
    )  # fmt: skip
    return {
        "id": str(cursor.fetchone()["id"]),
        "position": position,
        "data_source_type": "upload_file",
        "data_source_info": {"upload_file_id": str(file["id"])},
        "name": file["name"],
        "created_from": "web",
        "created_at": int(time.time()),
        "indexing_status": "waiting",
        "error": None,
        "enabled": True,
        "display_status": "queuing",
        "doc_form": given.get("doc_form", "text_model"),
    }


@routes.get("/<uuid:dataset>/batch/<batch>/indexing-status")
def indexing_status(dataset: uuid.UUID, batch: str) -> dict[str, Any]:
    signed_in()
    with database() as cursor:
        cursor.execute(
            "SELECT id, indexing_status, error, processing_started_at, completed_at, stopped_at,"
            " (SELECT count(*) FROM document_segments s WHERE s.document_id = d.id"
            "  AND s.status = 'completed') AS completed_segments,"
            " (SELECT count(*) FROM document_segments s WHERE s.document_id = d.id)"
            "  AS total_segments"
            " FROM documents d WHERE dataset_id = %s AND batch = %s ORDER BY position",
            (str(dataset), batch),
        )
        rows = cursor.fetchall()
    if not rows:
        raise not_found("Documents")
    return {"data": [_shown(row) for row in rows]}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    stamps = {key: int(row[key].timestamp()) if row[key] else None for key in STAMPS}
    return {**row, "id": str(row["id"]), **stamps}


@routes.post("/<uuid:dataset>/hit-testing")
def hit_testing(dataset: uuid.UUID) -> dict[str, Any]:
    """By keyword, from PostgreSQL; by meaning or full text, from pgvector."""
    signed_in()
    given = request.get_json()
    model = given.get("retrieval_model") or {}
    limit = int(model.get("top_k") or 4)
    with database() as cursor:
        cursor.execute("SELECT 1 FROM datasets WHERE id = %s", (str(dataset),))
        if cursor.fetchone() is None:
            raise not_found("Dataset")
        match model.get("search_method"):
            case "semantic_search":
                scores = vector.nearest(str(dataset), given["query"], limit)
            case "full_text_search":
                scores = vector.with_words(str(dataset), given["query"], limit)
            case _:
                scores = _by_keyword(cursor, str(dataset), given["query"], limit)
        records = _records(cursor, scores)
    return {"query": {"content": given["query"]}, "records": records}


def _by_keyword(cursor: Cursor, dataset: str, query: str, limit: int) -> dict[str, float]:
    cursor.execute(
        "SELECT keyword_table FROM dataset_keyword_tables WHERE dataset_id = %s", (dataset,)
    )
    row = cursor.fetchone()
    table = json.loads(row["keyword_table"]) if row else {}
    counted = Counter(segment for word in words(query) for segment in table.get(word, []))
    return {segment: float(count) for segment, count in counted.most_common(limit)}


def _records(cursor: Cursor, scores: dict[str, float]) -> list[dict[str, Any]]:
    cursor.execute(
        "SELECT s.id, s.position, s.content, s.keywords, s.status, d.id AS document_id, d.name"
        " FROM document_segments s JOIN documents d ON d.id = s.document_id"
        " WHERE s.id = ANY(%s::uuid[])",
        (list(scores),),
    )
    rows = {str(row["id"]): row for row in cursor.fetchall()}
    return [_record(rows[name], score) for name, score in scores.items() if name in rows]


def _record(row: dict[str, Any], score: float) -> dict[str, Any]:
    document = str(row["document_id"])
    return {
        "segment": {
            "id": str(row["id"]),
            "position": row["position"],
            "document_id": document,
            "content": row["content"],
            "answer": None,
            "word_count": len(row["content"]),
            "keywords": row["keywords"],
            "enabled": True,
            "status": row["status"],
            "document": {
                "id": document,
                "data_source_type": "upload_file",
                "name": row["name"],
                "doc_type": None,
            },
        },
        "child_chunks": [],
        "score": score,
        "tsne_position": None,
    }


@routes.delete("/<uuid:dataset>")
def delete(dataset: uuid.UUID) -> tuple[str, int]:
    """Gone at once; what belonged to it, when the worker gets to it."""
    account = signed_in()
    with database() as cursor:
        cursor.execute(
            "DELETE FROM datasets WHERE id = %s AND tenant_id = %s", (str(dataset), account.tenant)
        )
        if not cursor.rowcount:
            raise not_found("Dataset")
    delete_dataset.apply_async((str(dataset),), queue="dataset")
    return "", 204
