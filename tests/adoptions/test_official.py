"""The official compose file's Dify, with PostgreSQL and Redis in containers, is taken over."""

from collections.abc import Generator
from typing import Any

import pytest

from config.errors import StepError
from flows.parts.adopting import Adopting
from flows.parts.graph import Graph
from tasks.adoption import plan, way_back
from tasks.adoption.find import find
from tasks.core.site import Site
from tasks.points import vectors
from tasks.points.databases import session_database
from tasks.probes.verify.run import failed, verify
from tests.integration.adopting import (
    adoption,
    host_image,
    logs_in,
    official,
    people_see,
    states,
    taker,
)

Seen = tuple[Site, dict[str, Any]]


@pytest.fixture(scope="module")
def bundled(module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Seen]:
    folder = tmp_path_factory.mktemp("points") / "repository"
    with official(module_sandbox_site, folder, host_image()) as found:
        yield found


@pytest.fixture
def own(bundled: Seen, module_sandbox_site: Any) -> Generator[Site]:
    with taker(module_sandbox_site, bundled[0]) as site:
        yield site


def in_weaviate(own: Site, project: str) -> list[Any]:
    """What knowledge bases of the other Dify say of their vectors, once they are in Weaviate."""
    with its_database(own, project) as connection:
        connection.execute(
            'UPDATE datasets SET index_struct = \'{"type": "weaviate"}\''
            " WHERE indexing_technique = 'high_quality'"
        )
    return structs(own, project)


def structs(own: Site, project: str) -> list[Any]:
    with its_database(own, project) as connection:
        return connection.execute("SELECT id, index_struct FROM datasets ORDER BY id").fetchall()


def its_database(own: Site, project: str) -> Any:
    return session_database(plan.as_read(own, find(own, project))).connect()


def test_its_databases_are_copied_from_their_container_and_vectors_move(
    bundled: Seen, own: Site
) -> None:
    there, before = bundled
    project = there.environment.dify.project
    said = in_weaviate(own, project)
    report = adoption(own, project).carry_out(drilled=True, keep_days=7)
    assert report.proved.startswith("proved by a drill in")
    assert "vectors of 1 knowledge bases are in Dify's own database now" in report.notes
    assert vectors.nearest(own) == "in 1 knowledge bases with embeddings"
    assert people_see(own) == before and failed(verify(own, deep=True)) is None
    assert set(states(there).values()) == {"exited"}
    way_back.go_back(own)
    assert set(states(there).values()) == {"running"} and logs_in(there, project)
    assert structs(own, project) == said


def test_what_cannot_move_leaves_the_other_dify_as_it_was(bundled: Seen, own: Site) -> None:
    """The model that somebody allowed to be asked is away."""
    there, _ = bundled
    project = there.environment.dify.project
    said = in_weaviate(own, project)
    with its_database(own, project) as connection:
        connection.execute("DELETE FROM embeddings")
    seen = plan.look(own, project, re_embed=True)
    with pytest.raises(StepError, match=r"vdb-migrate ran and is not done"):
        Adopting(Graph(own), own, seen).carry_out(drilled=False, keep_days=7)
    assert set(states(there).values()) == {"running"} and logs_in(there, project)
    assert structs(own, project) == said
