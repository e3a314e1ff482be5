"""A failure, and a kill, at each step of an adoption: one of both Difys serves, with all data.

`make test-adopt`: each case stops and starts whole stacks.
"""

import os
import signal
from collections.abc import Callable, Generator
from typing import Any

import pytest

from config.errors import StepError
from flows.parts import adopting
from flows.parts.adopt_back import go_back
from flows.parts.bring_back import bring_back
from flows.parts.graph import Graph
from tasks.adoption import queues, stages, vectors, way_back
from tasks.adoption.plan import as_read
from tasks.core import adoption_mark
from tasks.core.site import Site
from tasks.points import interrupted_restore
from tasks.points.choice import choose
from tasks.points.repository import open_repository
from tasks.points.restore import Restoring
from tasks.probes.subjects.portal import open_dify
from tasks.probes.verify.run import failed, verify
from tasks.steps import tasks as steps
from tasks.steps.containers import down, running_services
from tasks.steps.pgsql import dify_database
from tasks.steps.redis import dify_redis
from tests.integration import stack
from tests.integration.adopting import adoption, people_see, states
from tests.integration.test_backup import in_child

PLACES: dict[str, Any] = {
    **dict.fromkeys(("begin", "stop_writers", "serve", "end"), stages),
    **dict.fromkeys(("take_point", "bring_back"), adopting),
    "move": vectors,
    **dict.fromkeys(("save_current", "exchange", "adopt"), Restoring),
}
STEPS = ("settings", "migrate", "compose", "portal")
Trouble = Callable[[], object]


def fails() -> None:
    raise StepError("injected", "no more of this")


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def broken(monkeypatch: pytest.MonkeyPatch, at: str, trouble: Trouble) -> None:
    """After the work of that step there is trouble."""
    place = PLACES.get(at, steps.work)
    name = at if at in PLACES else "carry_out_parts"
    carried = getattr(place, name)

    def step(*words: Any, **options: Any) -> Any:
        found = carried(*words, **options)
        if name == at or at in words:
            trouble()
        return found

    monkeypatch.setattr(place, name, step)


def page(own: Site) -> bytes | None:
    """The page of maintenance that the portal's server includes."""
    included = own.platform.included(own)
    assert included
    return included.read()


def killed(own: Site, there: Site, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    with monkeypatch.context() as patch:
        broken(patch, at, dies)
        begun = adoption(own, there.environment.dify.project)
        died = in_child(lambda: begun.carry_out(drilled=False, keep_days=7))
    assert died == -signal.SIGKILL


@pytest.mark.parametrize("at", ["stop_writers", "exchange", *STEPS, "bring_back"])
def test_whatever_fails_the_other_dify_serves_with_all_its_data(
    there: Site, own: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    was, project = people_see(there), there.environment.dify.project
    with monkeypatch.context() as patch:
        broken(patch, at, fails)
        with pytest.raises(StepError, match="serves again"):
            adoption(own, project).carry_out(drilled=False, keep_days=7)
    assert set(states(there).values()) == {"running"}
    assert people_see(there) == was and adoption_mark.read(own) is None
    assert not page(own)


def test_a_job_that_no_worker_takes_is_not_lost(
    there: Site, own: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = adoption(own, there.environment.dify.project)
    with dify_redis(as_read(own, begun.seen.origin), broker=True).client() as client:
        broker: Any = client
        broker.rpush("of-no-worker", "a job")
        monkeypatch.setattr(queues, "DRAIN_S", 3)
        with pytest.raises(StepError, match="1 jobs still wait in of-no-worker"):
            begun.carry_out(drilled=False, keep_days=7)
    with dify_redis(as_read(own, begun.seen.origin), broker=True).client() as client:
        assert client.delete("of-no-worker") == 1
    assert set(states(there).values()) == {"running"}


@pytest.mark.parametrize("at", [*PLACES, *STEPS])
def test_a_killed_adoption_is_gone_on_with(
    there: Site, own: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    was = people_see(there)
    killed(own, there, monkeypatch, at)
    adoption(own, there.environment.dify.project).carry_out(drilled=False, keep_days=7)
    assert people_see(own) == was and failed(verify(own, deep=True)) is None
    assert set(states(there).values()) == {"exited"} and not page(own)
    way_back.go_back(own)
    assert people_see(there) == was


@pytest.mark.parametrize("at", ["stop_writers", "exchange", "compose"])
def test_a_killed_adoption_is_gone_back_from(
    there: Site, own: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    was = people_see(there)
    killed(own, there, monkeypatch, at)
    with pytest.raises(StepError, match="stopped half-way"):
        adoption_mark.require_none(own)
    way_back.go_back(own)
    assert set(states(there).values()) == {"running"}
    assert people_see(there) == was and not page(own)


@pytest.fixture(scope="module")
def deployed(own: Site) -> Generator[Site]:
    """The environment has a Dify of its own, with a file that the other one does not have."""
    stack.deploy(own)
    assert failed(verify(own, deep=True)) is None
    with open_dify(own) as dify:
        dify.login(own.environment.dify.admin_email, own.secret("admin_password"))
        dify.knowledge.upload("its-own.txt", "Of the environment.")
    yield own
    down(own)


def of_its_own(site: Site) -> tuple[list[bytes], list[str]]:
    """That file, and the services that run."""
    with dify_database(site).connect() as connection:
        keys = connection.execute(
            "SELECT key FROM upload_files WHERE name = 'its-own.txt'"
        ).fetchall()
    storage = site.environment.dify.data / "app" / "storage"
    return [(storage / str(key)).read_bytes() for (key,) in keys], running_services(site)


def require_both(own: Site, there: Site, before: Any) -> None:
    """Both Difys serve as before, and nothing of the adoption is left."""
    assert of_its_own(own) == before[0] and before[0][0] == [b"Of the environment."]
    assert set(states(there).values()) == {"running"} and people_see(there) == before[1]
    assert failed(verify(own, deep=True)) is None and not page(own)
    assert adoption_mark.read(own) is None
    interrupted_restore.require_ended(own)


@pytest.mark.parametrize("at", ["stop_writers", "exchange"])
def test_the_environments_own_dify_serves_again_too(
    there: Site, deployed: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    before = of_its_own(deployed), people_see(there)
    with monkeypatch.context() as patch:
        broken(patch, at, fails)
        with pytest.raises(StepError, match=r"had itself serves again, with its own data(?! of)"):
            adoption(deployed, there.environment.dify.project).carry_out(drilled=False, keep_days=7)
    require_both(deployed, there, before)


@pytest.mark.parametrize("at", ["save_current", "exchange", "compose"])
def test_the_environments_own_dify_comes_back_after_a_kill(
    there: Site, deployed: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Stopped and untouched, half replaced, or replaced by a stack that already runs."""
    before = of_its_own(deployed), people_see(there)
    killed(deployed, there, monkeypatch, at)
    mark, said = go_back(Graph(deployed), deployed)
    assert "sandbox had itself serves again, with its own data" in said
    assert bool(mark.own_point) == (at != "save_current")
    require_both(deployed, there, before)


def test_the_environments_own_dify_that_was_replaced_is_a_restore_point(
    there: Site, deployed: Site
) -> None:
    before = of_its_own(deployed), people_see(there)
    adoption(deployed, there.environment.dify.project).carry_out(drilled=False, keep_days=7)
    assert of_its_own(deployed)[0] == []
    mark, said = go_back(Graph(deployed), deployed)
    assert said.endswith(f"rollout restore sandbox {mark.own_point}")
    assert running_services(deployed) == []
    own = open_repository(deployed, create=False)
    bring_back(Graph(deployed), deployed, choose(deployed, own, mark.own_point, []))
    require_both(deployed, there, before)
