"""An upgrade over two versions, one that fails half-way, and the way back from one."""

import subprocess

import pytest

from config.errors import StepError
from flows.parts import upgrading as parts
from flows.parts.graph import Graph
from flows.parts.upgrading import back
from tasks.core import release_file, upgrade_mark
from tasks.core.site import Site
from tasks.core.upgrade_mark import Stage
from tasks.points import vectors
from tasks.steps import revisions
from tasks.steps.pgsql import dify_database
from tasks.upgrades import old_data, stages, way
from tasks.upgrades.last_words import last_words
from tasks.upgrades.stages import NotConfirmed
from tests.integration import stack
from tests.integration.kept_out import kept_out
from tests.integration.upgrading import (
    HEADS,
    NEW,
    OLD,
    dify,
    images,
    require_served_as_before,
    sql_step,
    state,
    to,
    upgrade,
)

__all__ = ["dify"]


def execute(site: Site, statement: str) -> None:
    with dify_database(site).connect() as connection:
        connection.execute(statement.encode())


def test_what_is_in_the_way_is_said_before_anything_is_changed(dify: Site) -> None:
    before = images(dify)
    with pytest.raises(StepError, match=r"Dify 1\.15\.0 runs already"):
        way.find(dify)
    execute(dify, "INSERT INTO alembic_version VALUES ('f0f0f0f0f0f0')")
    try:
        with pytest.raises(StepError, match=r"at 2 revisions at once \(5eed00001150, f0f0f0f0f0f0"):
            way.find(to(dify, NEW))
    finally:
        execute(dify, "DELETE FROM alembic_version WHERE version_num = 'f0f0f0f0f0f0'")
    assert images(dify) == before and upgrade_mark.read(dify) is None


def test_what_keeps_containers_out_is_said_before_anything_is_stopped(
    dify: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The step pgsql of a sandbox would let them in again.
    monkeypatch.setattr(parts, "READY", ("preflight", "docker", "redis", "images"))
    before = stack.starts(dify)
    with kept_out(dify), pytest.raises(StepError, match="does not let Dify's containers in"):
        upgrade(dify).carry_out(drilled=False)
    assert stack.starts(dify) == before and upgrade_mark.read(dify) is None


def test_what_containers_wrote_of_their_trouble_is_read_without_secrets(dify: Site) -> None:
    project, image = dify.environment.dify.project, dify.release.images["api"]
    labels = {"project": project, "service": "loud"}
    named = [f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    said = 'echo "INFO a lamp"; echo "ERROR no lamp for $1"'
    words = ["docker", "run", f"--name={project}-loud", "--network=none", "--entrypoint=sh"]
    given = [*named, image, "-c", said, "sh", dify.secret("secret_key")]
    subprocess.run([*words, *given], check=True)
    try:
        loud = [words for words in last_words(dify) if words.startswith("loud: ")]
    finally:
        dify.docker.remove(f"{project}-loud")
    assert loud == ["loud: ERROR no lamp for ***"]


def test_what_people_have_lost_is_seen_and_not_blamed_on_an_upgrade_after_it(dify: Site) -> None:
    assert old_data.lost(dify) == []
    encrypted, *_ = [check.probe for check in old_data.require(dify, but=())]
    keys = dify.environment.dify.data / dify.release.state["storage"].path / "privkeys"
    keys.rename(keys.with_name("away"))
    try:
        assert old_data.lost(dify) == [encrypted]
        with pytest.raises(StepError, match="1 tenants have no key that fits"):
            old_data.require(dify, but=())
        assert len(old_data.require(dify, but=[encrypted])) == 4
    finally:
        keys.with_name("away").rename(keys)


@pytest.mark.parametrize(
    ("harm", "lost"),
    [
        ("ALTER TABLE {} RENAME TO away", vectors.NEAREST),
        ("UPDATE {} SET embedding = embedding - embedding", vectors.NEAREST),
        ("UPDATE {} SET id = gen_random_uuid()", "a document with embeddings of before is found"),
    ],
    ids=["no table", "vectors of nothing", "vectors of other segments"],
)
def test_embeddings_that_are_lost_are_seen_without_their_model(
    dify: Site, harm: str, lost: str
) -> None:
    with dify_database(dify).connect() as connection:
        [base] = vectors.bases(connection)
    assert old_data.lost(dify) == []
    execute(dify, f"CREATE TABLE kept AS TABLE {base.table}")
    try:
        execute(dify, harm.format(base.table))
        assert old_data.lost(dify) == [lost]
        with pytest.raises(StepError, match=f"{lost}: no, "):
            old_data.require(dify, but=())
    finally:
        mend = (
            "ALTER TABLE IF EXISTS away RENAME TO {0}; DELETE FROM {0}; INSERT INTO {0} TABLE kept"
        )
        execute(dify, f"{mend.format(base.table)}; DROP TABLE kept")
    assert old_data.lost(dify) == []


def test_a_migration_that_fails_is_gone_back_from_with_all_data(
    dify: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with what people write after the restore point, until they cannot any more."""
    execute(dify, "CREATE TABLE agents (here boolean)")
    before, stop = state(dify), stages.stop

    def written_until_the_stop(site: Site) -> None:
        execute(site, "CREATE TABLE late AS SELECT 1 AS n")
        stop(site)

    monkeypatch.setattr(stages, "stop", written_until_the_stop)
    upgrading = upgrade(dify)
    with pytest.raises(StepError) as failed:
        upgrading.carry_out(drilled=False)
    assert "1.15.0 → 1.17.1 failed at migrate: the migration failed" in failed.value.cause
    assert "Dify 1.15.0 serves again" in failed.value.cause
    assert "newer than that: no rows" in failed.value.cause
    assert upgrading.report().unsaved_s == 0
    require_served_as_before(dify, before)
    execute(dify, "DROP TABLE agents; DROP TABLE late")


def test_an_upgrade_over_two_versions_and_back(dify: Site) -> None:
    before = state(dify)
    once = sql_step(
        "before",
        "CREATE TABLE stepped (n int)",
        "SELECT to_regclass('stepped') IS NOT NULL",
        "true",
        repeat=False,
    )
    with pytest.raises(StepError, match="there is no upgrade of sandbox to go back from"):
        stages.last(dify)
    report = upgrade(dify, once).carry_out(drilled=False)
    assert (report.old, report.new, report.failed) == (OLD, NEW, "")
    assert report.proved.endswith("which is not proved by a drill, as was asked for")
    assert 0 < report.downtime_s < report.seconds
    assert "a document of before is found by a search" in [check.probe for check in report.checks]
    assert revisions.in_database(dify) == HEADS[NEW]
    assert release_file.read(dify.environment, dify.node).hand_steps.keys() == {once.name}
    mark = stages.last(dify)
    assert mark.stage is Stage.DONE
    execute(dify, "UPDATE documents SET created_at = now() AT TIME ZONE 'utc'")
    with pytest.raises(NotConfirmed, match=r"newer than that: 2 documents, which"):
        stages.require_confirmed(dify, mark, confirm="")
    stages.require_confirmed(dify, mark, confirm="sandbox")
    back(Graph(to(dify, OLD)))
    require_served_as_before(dify, before)
    assert release_file.read(dify.environment, dify.node).hand_steps == {}
