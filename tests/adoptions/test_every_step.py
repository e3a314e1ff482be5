"""A failure, and a kill, at each step of an adoption: one of both Difys serves, with all data.

`make test-adopt`: each case stops and starts whole stacks.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from config.errors import StepError
from flows.parts import adopting
from tasks.adoption import queues, stages, vectors, way_back
from tasks.adoption.plan import as_read
from tasks.core import adoption_mark
from tasks.core.site import Site
from tasks.points.restore import Restoring
from tasks.probes.verify.run import failed, verify
from tasks.steps import tasks as steps
from tasks.steps.redis import dify_redis
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
