"""The plan of an adoption names a foreign Dify and its obstacles; the Dify does not change."""

from collections.abc import Sequence

import pytest

from config.errors import StepError
from tasks.adoption import beside, plan
from tasks.core.site import Site
from tasks.core.step import Blocked
from tasks.steps.pgsql import dify_database
from tests.integration.adopting import contents, own, states, there

__all__ = ["own", "there"]


def blocked(own: Site, there: Site) -> Sequence[Blocked]:
    seen = plan.look(own, there.environment.dify.project)
    return plan.outcome(own, seen, drilled=True).blocked


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
    """A knowledge base keeps the store it was made with, whatever VECTOR_STORE says since."""
    made = "INSERT INTO datasets (tenant_id, name, indexing_technique, index_struct) VALUES"
    with dify_database(there).connect() as connection:
        connection.execute(
            f"{made} (uuid_nil(), 'first', 'high_quality', '{{\"type\": \"weaviate\"}}'),"
            " (uuid_nil(), 'none yet', 'high_quality', NULL)"
        )
        connection.execute("CREATE TABLE app_annotation_settings AS SELECT 1 AS id")
        try:
            seen = plan.look(own, there.environment.dify.project)
        finally:
            connection.execute("DELETE FROM datasets WHERE tenant_id = uuid_nil()")
            connection.execute("DROP TABLE app_annotation_settings")
    [refused] = plan.outcome(own, seen, drilled=True).blocked
    assert refused.why.startswith("1 knowledge bases have their vectors in weaviate, and")
    assert seen.facts and seen.facts.found.annotated == 1


def test_its_own_names_are_no_other_dify(there: Site, own: Site) -> None:
    with pytest.raises(StepError, match="is the name that sandbox has for its own"):
        plan.look(own, own.environment.dify.project)
    with pytest.raises(StepError, match="has no container of the image dify-api"):
        plan.look(own, "no-such-project")
