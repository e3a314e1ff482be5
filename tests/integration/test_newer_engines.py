"""A later Debian's Redis, Valkey and restic: that the sandbox runs on them, and reads their points.

`make matrix` runs whole subjects on them; this is what `make test-long` has of it.
"""

import os
from pathlib import Path

import pytest

from tasks.core.site import Site
from tasks.core.step import Change, converge
from tasks.points.backup import backup
from tasks.points.repository import Repository
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS
from tests.integration.conftest import MakeSite
from tests.integration.test_backup import State, bring_back, repository, site, state
from tests.matrix.suite import FORKY, fetched

pytestmark = pytest.mark.long

__all__ = ["repository", "site", "state"]


def first_on_path(monkeypatch: pytest.MonkeyPatch, programs: Path) -> None:
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


def deploy(site: Site) -> list[Change]:
    return [change for step in PARTS["redis"](site) for change in converge(step).changes]


@pytest.mark.parametrize(
    ("redis", "version"), [("redis", "redis_version"), ("valkey", "valkey_version")]
)
def test_the_sandbox_runs_on_it(
    sandbox_site: MakeSite, monkeypatch: pytest.MonkeyPatch, redis: str, version: str
) -> None:
    first_on_path(monkeypatch, fetched(FORKY).programs(redis))
    site = sandbox_site()
    assert deploy(site)
    assert deploy(site) == []
    with dify_redis(site).client() as client:
        assert int(client.info("server")[version].partition(".")[0]) >= 8


def test_one_restic_reads_the_points_of_another(
    site: Site, state: State, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point of each lies in one repository, which the other one prunes and checks."""
    older, newer = os.environ["PATH"], f"{fetched(FORKY).programs()}:{os.environ['PATH']}"
    before = state.whole()
    first = backup(site, repository).manifest
    monkeypatch.setenv("PATH", newer)
    state.upload()
    second = backup(site, repository).manifest
    bring_back(site, repository, first.point)
    assert state.whole() == before
    monkeypatch.setenv("PATH", older)
    bring_back(site, repository, second.point)
    assert state.whole().keys() > before.keys()
