"""The plan of an adoption names a foreign Dify and its obstacles; the Dify does not change."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import pytest
from psycopg.types.json import Jsonb

from config.errors import StepError
from tasks.adoption import beside, plan, vectors
from tasks.adoption.origin import Origin
from tasks.core.site import Site
from tasks.core.step import Blocked
from tasks.steps.pgsql import dify_database
from tests.integration.adopting import contents, own, states, there
from tests.unit.tasks.adoption.members import pigsty_app

__all__ = ["own", "there"]

MINE = "SELECT id FROM datasets WHERE indexing_technique = 'high_quality'"
DIFYS = f"""
UPDATE documents SET doc_form = 'hierarchical_model' WHERE dataset_id IN ({MINE});
CREATE TABLE child_chunks AS SELECT s.id AS segment_id, content.*
  FROM document_segments s, (VALUES ('a part'), ('another'), (E' \\n')) AS content (content)
 WHERE s.dataset_id IN ({MINE});
CREATE TABLE document_segment_summaries AS SELECT id AS dataset_id FROM ({MINE}) AS base;
CREATE TABLE segment_attachment_bindings AS SELECT id AS dataset_id FROM ({MINE}) AS base;
ALTER TABLE datasets ADD COLUMN is_multimodal boolean NOT NULL DEFAULT true;
ALTER TABLE apps ADD COLUMN status text NOT NULL DEFAULT 'normal';
INSERT INTO apps (id, tenant_id, name, mode) VALUES (uuid_nil(), uuid_nil(), 'answers', 'chat');
CREATE TABLE app_annotation_settings AS
    SELECT uuid_nil() AS app_id, uuid_nil() AS collection_binding_id;
CREATE TABLE dataset_collection_bindings AS
    SELECT uuid_nil() AS id, 'a model' AS model_name, 'openai' AS provider_name;
CREATE TABLE message_annotations AS SELECT uuid_nil() AS app_id, 'who?' AS question;
"""  # noqa: S608
WITHOUT = """
UPDATE documents SET doc_form = 'text_model';
DELETE FROM apps WHERE id = uuid_nil();
ALTER TABLE apps DROP COLUMN status;
ALTER TABLE datasets DROP COLUMN is_multimodal;
DROP TABLE child_chunks, document_segment_summaries, segment_attachment_bindings,
    app_annotation_settings, dataset_collection_bindings, message_annotations;
"""


def blocked(own: Site, there: Site) -> Sequence[Blocked]:
    seen = plan.look(own, there.environment.dify.project)
    return plan.outcome(own, seen, drilled=True).blocked


@contextmanager
def elsewhere(there: Site) -> Generator[None]:
    """Its knowledge base of people has its vectors in Weaviate, by what it says of itself."""
    with dify_database(there).connect() as connection:
        [(base, struct)] = connection.execute(
            "SELECT id, index_struct FROM datasets WHERE indexing_technique = 'high_quality'"
        ).fetchall()
        change = "UPDATE datasets SET index_struct = %s WHERE id = %s"
        connection.execute(change, ['{"type": "weaviate"}', base])
        try:
            yield
        finally:
            connection.execute(change, [Jsonb(struct), base])


@contextmanager
def tables_of_dify(there: Site) -> Generator[None]:
    """Tables as Dify has them and a stand-in does not, with something in each."""
    with dify_database(there).connect() as connection:
        connection.execute(DIFYS)
        try:
            yield
        finally:
            connection.execute(WITHOUT)


def test_a_plan_names_it_and_changes_nothing(there: Site, own: Site) -> None:
    ran, files = states(there), contents(there.environment.dify.home)
    seen = plan.look(own, there.environment.dify.project)
    assert seen.origin.folder == str(there.environment.dify.home.resolve())
    assert seen.origin.version == "1.15.0" and seen.facts
    assert seen.facts.database > 0 and seen.facts.files > 0
    assert seen.origin.unsafe == ["REDIS_PASSWORD"]
    found = plan.outcome(own, seen, drilled=True)
    assert found.blocked == ()
    targets = {change.target for change in found.changes}
    assert {"secret_key", "storage", "plugin_daemon", "database"} <= targets
    assert states(there) == ran and contents(there.environment.dify.home) == files


def test_a_plan_of_a_first_deploy_names_it(there: Site, own: Site) -> None:
    project = there.environment.dify.project
    [note] = beside.notes(own)
    assert note.startswith("local has another Dify (compose project ") and project in note
    assert note.endswith("rollout adopt sandbox takes it over")


def test_what_is_in_the_way_is_told(there: Site, own: Site) -> None:
    dify = own.environment.dify.model_copy(update={"admin_email": "nobody@dify.local"})
    other = own.replace(environment=own.environment.model_copy(update={"dify": dify}))
    [refused] = blocked(other, there)
    assert "it has no account nobody@dify.local" in refused.why
    wrong = own.replace(secrets={**own.secrets, "admin_password": own.secrets["redis_password"]})
    [refused] = blocked(wrong, there)
    assert "is not the password of" in refused.why


def test_each_knowledge_base_is_asked_where_its_vectors_are(there: Site, own: Site) -> None:
    """A knowledge base keeps the store it was made with, whatever VECTOR_STORE says since.

    Nothing is in the way where Dify keeps the embedding of every text that moves.
    """
    with elsewhere(there):
        seen = plan.look(own, there.environment.dify.project)
        assert seen.facts
        found = seen.facts.found.vectors
        assert found.bases["weaviate"] == 1 and (found.texts, found.unkept) == (1, 0)
        assert plan.outcome(own, seen, drilled=True).blocked == ()


def test_nobody_elses_model_is_asked_unless_somebody_says_so(there: Site, own: Site) -> None:
    """Replies count, too, and the parts of a text; what has no letters has no vector."""
    project = there.environment.dify.project
    with elsewhere(there), tables_of_dify(there), dify_database(there).connect() as connection:
        [refused] = blocked(own, there)
        seen = plan.look(own, project, re_embed=True)
        assert plan.outcome(own, seen, drilled=True).blocked == ()
        in_weaviate = Origin("dify", pigsty_app(VECTOR_STORE="weaviate"))
        found = vectors.asked(connection, in_weaviate)
    assert "in weaviate" in refused.why and "--re-embed" in refused.do
    assert "for 2 of 3 texts it keeps no embedding" in refused.why
    assert (found.annotated, found.replies, found.texts, found.unkept) == (1, "weaviate", 4, 3)
    assert found.left == {"summaries of texts": 1, "images": 1}


def test_its_own_names_are_no_other_dify(there: Site, own: Site) -> None:
    with pytest.raises(StepError, match="is the name that sandbox has for its own"):
        plan.look(own, own.environment.dify.project)
    with pytest.raises(StepError, match="has no container of the image dify-api"):
        plan.look(own, "no-such-project")
