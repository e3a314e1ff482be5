"""A Dify as Pigsty's app and the recipe have it is taken over with all it has, and given back."""

import pytest

from config.errors import StepError
from tasks.adoption import stages, way_back
from tasks.core import adoption_mark
from tasks.core.site import Site
from tasks.probes.verify.run import failed, verify
from tests.integration.adopting import adoption, contents, logs_in, people_see, states


def test_it_is_taken_over_with_all_it_has_and_given_back(there: Site, own: Site) -> None:
    before, project = people_see(there), there.environment.dify.project
    kept = contents(there.environment.dify.home)
    report = adoption(own, project).carry_out(drilled=True, keep_days=7)
    print(report.parts, report.away_s)
    assert report.work == "taken over" and report.proved.startswith("proved by a drill in")
    assert people_see(own) == before
    assert failed(verify(own, deep=True)) is None
    assert set(states(there).values()) == {"exited"}
    again = adoption(own).carry_out(drilled=True, keep_days=7)
    assert again.work == "was taken over already" and not again.parts
    with pytest.raises(StepError, match="7 days after it was taken over"):
        stages.finish(own)
    way_back.go_back(own)
    assert set(states(there).values()) == {"running"} and adoption_mark.read(own) is None
    assert people_see(there) == before and logs_in(there, project)
    assert contents(there.environment.dify.home) == kept


def test_it_is_taken_over_once_more_and_its_containers_removed(there: Site, own: Site) -> None:
    before, project = people_see(there), there.environment.dify.project
    adoption(own, project).carry_out(drilled=False, keep_days=0)
    assert people_see(own) == before
    _, left = stages.finish(own)
    assert str(there.environment.dify.home.resolve()) in left[0] and "DROP ROLE" in left[1]
    assert states(there) == {}
    assert people_see(own) == before and failed(verify(own, deep=False)) is None
    assert people_see(there) == before
    with pytest.raises(StepError, match="has taken over no Dify"):
        stages.finish(own)
