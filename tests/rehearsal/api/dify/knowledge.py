"""Datasets: documents indexed by the worker, found again by keyword."""

import uuid
from typing import Any

from flask import Blueprint, g, jsonify, request

from dify import jobs
from dify.auth import error, signed_in
from dify.settings import INDEX_QUEUE
from dify.state import database

routes = Blueprint("knowledge", __name__, url_prefix="/console/api/datasets")


@routes.get("")
@signed_in
def datasets() -> Any:
    with database() as cursor:
        cursor.execute("SELECT id, name, indexing_technique FROM datasets ORDER BY name")
        rows = cursor.fetchall()
    return jsonify(data=rows, has_more=False, limit=100, total=len(rows), page=1)


@routes.post("/init")
@signed_in
def init() -> Any:
    body = request.get_json()
    if body.get("indexing_technique") not in ("economy", "high_quality"):
        return error(400, "invalid_param", "indexing_technique is required")
    files = body["data_source"]["info_list"]["file_info_list"]["file_ids"]
    batch = uuid.uuid4().hex[:20]
    documents = []
    with database() as cursor:
        cursor.execute("SELECT name FROM upload_files WHERE id = %s", (files[0],))
        name = cursor.fetchone()["name"]
        cursor.execute(
            "INSERT INTO datasets (tenant_id, name, indexing_technique) VALUES (%s, %s, %s) RETURNING id",
            (g.tenant, name[:40], body["indexing_technique"]),
        )
        dataset = cursor.fetchone()["id"]
        for file in files:
            cursor.execute(
                "INSERT INTO documents (dataset_id, batch, name, upload_file_id)"
                " VALUES (%s, %s, %s, %s) RETURNING id, name, indexing_status",
                (dataset, batch, name, file),
            )
            documents.append(cursor.fetchone())
    for document in documents:
        jobs.index_document.apply_async((str(document["id"]),), queue=INDEX_QUEUE)
    return jsonify(dataset={"id": dataset, "name": name[:40]}, documents=documents, batch=batch)


@routes.get("/<uuid:dataset>/batch/<batch>/indexing-status")
@signed_in
def status(dataset: uuid.UUID, batch: str) -> Any:
    with database() as cursor:
        cursor.execute(
            "SELECT d.id, d.indexing_status, d.error, count(s.id) AS completed_segments,"
            " count(s.id) AS total_segments FROM documents d"
            " LEFT JOIN document_segments s ON s.document_id = d.id"
            " WHERE d.dataset_id = %s AND d.batch = %s GROUP BY d.id",
            (dataset, batch),
        )
        return jsonify(data=cursor.fetchall())


@routes.post("/<uuid:dataset>/hit-testing")
@signed_in
def hit_testing(dataset: uuid.UUID) -> Any:
    body = request.get_json()
    with database() as cursor:
        cursor.execute(
            "SELECT keyword_table FROM dataset_keyword_tables WHERE dataset_id = %s", (dataset,)
        )
        row = cursor.fetchone() or {"keyword_table": {}}
        hits: dict[str, int] = {}
        for word in jobs.words(body["query"]):
            for segment in row["keyword_table"].get(word, ()):
                hits[segment] = hits.get(segment, 0) + 1
        best = sorted(hits, key=lambda s: -hits[s])[:4]
        cursor.execute(
            "SELECT id, content, position FROM document_segments WHERE id = ANY(%s::uuid[])",
            (best,),
        )
        found = {str(r["id"]): r for r in cursor.fetchall()}
    records = [{"segment": found[s], "score": None} for s in best if s in found]
    return jsonify(query={"content": body["query"]}, records=records)


@routes.delete("/<uuid:dataset>")
@signed_in
def delete(dataset: uuid.UUID) -> Any:
    with database() as cursor:
        cursor.execute("DELETE FROM datasets WHERE id = %s", (dataset,))
        if cursor.rowcount == 0:
            return error(404, "not_found", "Dataset not found.")
    jobs.delete_dataset.apply_async((str(dataset),), queue=INDEX_QUEUE)
    return "", 204
