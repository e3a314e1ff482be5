"""What stands in the way of taking over another Dify: each with its own sentence and ways on."""

from dataclasses import replace
from typing import Any

import pytest

from config.rules.adoptable import Store, Vectors
from config.rules.adoption import away_s, obstacles, stopped
from tests.unit.adoptable import FINE

STORE = Store("http://minio:9000", "r", "files", "plugins", "path")
ELSEWHERE = Vectors({"weaviate": 3, "qdrant": 1}, annotated=2, replies="weaviate")
IN_FOLDER = {"storage": "s3", "store": replace(STORE, plugins="")}
WAYS: list[tuple[dict[str, Any], str, str]] = [
    ({"version": "1.14.0"}, "Dify 1.14.0 runs, and dify.release", "set dify.release in"),
    ({"version": "1.14.9", "known": False}, "never changes the version", "release draft 1.14.9"),
    ({"version": ""}, "of an unknown version", "set dify.release"),
    ({"storage": "oss"}, "no environment can use (STORAGE_TYPE oss)", "or an S3 bucket"),
    ({"here": STORE}, "storage.kind of staging is 's3'", "set it to 'local'"),
    (
        {"storage": "s3", "store": STORE},
        "in the bucket files of http://minio:9000, where they stay, and [storage] of staging names",
        "set in config/environments/staging.toml storage.kind = 's3', storage.endpoint = "
        "'http://minio:9000', storage.region = 'r', storage.bucket = 'files', "
        "storage.plugin_bucket = 'plugins', storage.address_style = 'path', and give its keys: "
        "rollout secrets staging s3_access_key --set",
    ),
    (
        {"storage": "s3", "store": STORE, "here": replace(STORE, bucket="other")},
        "names another place",
        "storage.bucket = 'files'",
    ),
    (
        {"storage": "s3", "store": STORE, "inside": "dify-minio-1"},
        "a bucket of its own container dify-minio-1",
        "set S3_ENDPOINT",
    ),
    (
        {"storage": "s3", "store": STORE, "here": STORE, "closed": "the object store refuses"},
        "the object store refuses",
        "rollout secrets staging s3_access_key --set",
    ),
    (
        {**IN_FOLDER, "here": STORE, "packages": "/data/dify/plugin_daemon"},
        "in /data/dify/plugin_daemon, and staging has them in the bucket plugins",
        "PLUGIN_STORAGE_TYPE=aws_s3",
    ),
    ({"shared": ("dify.data",)}, "dify.data of staging name places of this very", "set them in"),
    ({"plugins": "CREATE DATABASE x;"}, "no database of plugins", "CREATE DATABASE x;"),
    ({"unmounted": ("storage",)}, "storage of it lies in no folder", "mount it"),
    (
        {"vectors": replace(ELSEWHERE, texts=90, unkept=7)},
        "vectors of 4 knowledge bases and 2 apps with annotation replies in qdrant, weaviate move "
        "into Dify's own database, and for 7 of 90 texts it keeps no embedding",
        "allow it, which may take hours and cost tokens: --re-embed; or delete",
    ),
    ({"beside": False}, "vectors are in another database", "pg_dump --no-owner --table="),
    (
        {"beside": False, "vectors": Vectors({}, annotated=2)},
        "vectors are in another database",
        "PGVECTOR_*",
    ),
    ({"account": False}, "it has no account a@b.c", "set that key"),
    (
        {"served": ("crm.conf",)},
        "crm.conf of the portal has portal.domain of staging, and leads to something else",
        "set portal.domain in config/environments/staging.toml",
    ),
    ({"namesake": "dify.conf"}, "dify.conf of the portal leads to it", "set dify.project in"),
    ({"password": False}, "is not the password of a@b.c", "rollout secrets staging admin_password"),
]


def test_nothing_is_in_the_way_of_one_that_fits() -> None:
    assert obstacles(FINE) == []
    unused = replace(FINE, vectors=Vectors({}, replies="qdrant"), beside=False)
    assert obstacles(unused) == []
    assert stopped("dify", []) is None


def test_vectors_elsewhere_are_not_in_the_way_where_no_model_has_to_be_asked_or_all_may_be() -> (
    None
):
    assert obstacles(replace(FINE, vectors=replace(ELSEWHERE, texts=90))) == []
    asked = replace(FINE, vectors=replace(ELSEWHERE, texts=90, unkept=90), re_embed=True)
    assert obstacles(asked) == []


@pytest.mark.parametrize(
    ("vectors", "move", "said"),
    [
        (Vectors({"pgvector": 3}, annotated=2), False, ""),
        (Vectors({}, annotated=0, replies="weaviate"), False, ""),
        (Vectors({"qdrant": 1, "pgvector": 9}, 2), True, "1 knowledge bases in qdrant"),
        (
            Vectors({"pgvector": 9}, annotated=1, replies="weaviate"),
            True,
            "1 apps with annotation replies in weaviate",
        ),
        (Vectors({}, annotated=1, replies=""), True, "1 apps with annotation replies in no store"),
    ],
)
def test_what_is_in_another_store_moves(vectors: Vectors, move: bool, said: str) -> None:
    assert vectors.move is move
    if move:
        assert str(vectors) == said


def test_nothing_is_in_the_way_of_a_bucket_that_both_name() -> None:
    assert obstacles(replace(FINE, storage="s3", store=STORE, here=STORE)) == []
    written = replace(STORE, endpoint="http://minio:9000/", style="auto", region="other")
    assert obstacles(replace(FINE, storage="s3", store=STORE, here=written)) == []
    assert obstacles(replace(FINE, **IN_FOLDER, here=STORE)) == []
    there, here = (replace(STORE, endpoint="", region=region) for region in ("r", "s"))
    assert len(obstacles(replace(FINE, storage="s3", store=there, here=here))) == 1


@pytest.mark.parametrize(("change", "why", "do"), WAYS)
def test_each_obstacle_names_the_way_on(change: dict[str, Any], why: str, do: str) -> None:
    [found] = obstacles(replace(FINE, **change))
    assert why in found.why and do in found.do


def test_all_are_told_at_once() -> None:
    changes = {
        name: value for change, _, _ in (*WAYS[3:5], *WAYS[10:14]) for name, value in change.items()
    }
    assert len(obstacles(replace(FINE, **changes, account=False))) == 7


def test_a_state_that_does_not_run_is_named() -> None:
    found = stopped("dify", ["db", "redis"])
    assert found and "db, redis of the compose project dify do not run" in found.why


def test_more_data_takes_longer() -> None:
    assert away_s(0, 0) == 60 < away_s(10**9, 0) < away_s(10**9, 10**10)
    assert away_s(0, 0, 4000) == 70
