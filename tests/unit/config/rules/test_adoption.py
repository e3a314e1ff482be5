"""What stands in the way of taking over another Dify: each with its own sentence and ways on."""

from dataclasses import replace
from typing import Any

import pytest

from config.rules.adoption import away_s, obstacles, stopped
from tests.unit.adoptable import FINE

WAYS: list[tuple[dict[str, Any], str, str]] = [
    ({"version": "1.14.0"}, "Dify 1.14.0 runs, and dify.release", "set dify.release in"),
    ({"version": "1.14.9", "known": False}, "never changes the version", "release draft 1.14.9"),
    ({"version": ""}, "of an unknown version", "set dify.release"),
    ({"storage": "s3"}, "STORAGE_TYPE s3", "copy the bucket"),
    ({"bucket": True}, "storage.kind of staging is 's3'", "set it to 'local'"),
    ({"shared": ("dify.data",)}, "dify.data of staging name places of this very", "set them in"),
    ({"plugins": "CREATE DATABASE x;"}, "no database of plugins", "CREATE DATABASE x;"),
    ({"unmounted": ("storage",)}, "storage of it lies in no folder", "mount it"),
    (
        {"vectors": {"weaviate": 3, "qdrant": 1, "pgvector": 2}},
        "4 knowledge bases have their vectors in qdrant, weaviate",
        "compose --project-name dify exec api flask vdb-migrate",
    ),
    (
        {"vector_store": "weaviate"},
        "annotation replies of 2 apps have their vectors in weaviate",
        "flask vdb-migrate; or turn these replies off",
    ),
    ({"beside": False}, "vectors are in another database", "pg_dump --no-owner --table="),
    ({"beside": False, "vectors": {}}, "vectors are in another database", "PGVECTOR_*"),
    ({"account": False}, "it has no account a@b.c", "set that key"),
    ({"password": False}, "is not the password of a@b.c", "rollout secrets staging admin_password"),
]


def test_nothing_is_in_the_way_of_one_that_fits() -> None:
    assert obstacles(FINE) == []
    unused = replace(FINE, vectors={}, annotated=0, vector_store="qdrant", beside=False)
    assert obstacles(unused) == []
    assert stopped("dify", []) is None


@pytest.mark.parametrize(("change", "why", "do"), WAYS)
def test_each_obstacle_names_the_way_on(change: dict[str, Any], why: str, do: str) -> None:
    [found] = obstacles(replace(FINE, **change))
    assert why in found.why and do in found.do


def test_all_are_told_at_once() -> None:
    changes = {name: value for change, _, _ in WAYS[3:10] for name, value in change.items()}
    assert len(obstacles(replace(FINE, **changes, account=False))) == 8


def test_a_state_that_does_not_run_is_named() -> None:
    found = stopped("dify", ["db", "redis"])
    assert found and "db, redis of the compose project dify do not run" in found.why


def test_more_data_takes_longer() -> None:
    assert away_s(0, 0) == 60 < away_s(10**9, 0) < away_s(10**9, 10**10)
