"""The official compose file's Dify, with PostgreSQL and Redis in containers, is taken over."""

from collections.abc import Generator
from typing import Any

import pytest

from tasks.adoption import way_back
from tasks.core.site import Site
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


def test_its_databases_are_copied_from_their_container(
    bundled: Seen, module_sandbox_site: Any
) -> None:
    there, before = bundled
    project = there.environment.dify.project
    with taker(module_sandbox_site, there) as own:
        report = adoption(own, project).carry_out(drilled=True, keep_days=7)
        assert report.proved.startswith("proved by a drill in")
        assert people_see(own) == before and failed(verify(own, deep=True)) is None
        assert set(states(there).values()) == {"exited"}
        way_back.go_back(own)
        assert set(states(there).values()) == {"running"} and logs_in(there, project)
