"""The whole cluster back to a restore point named in its archive, as `upgrade.way_back` does it."""

import time
from collections.abc import Generator
from itertools import pairwise

import pytest

from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty.members import primary
from tasks.points import archive, interrupted_restore, pitr
from tasks.points.goal import Goal
from tasks.steps.table import PARTS
from tests.pigsty.lab.site import LabSite, lab_site
from tests.pigsty.lab.test_moment import MADE, SAID, ask

COUNT = b"SELECT count(*) FROM messages"


@pytest.fixture
def made() -> Generator[LabSite]:
    with lab_site() as made:
        made.converge(PARTS["configure"], PARTS["pgsql"], PARTS["redis"])
        site = made.opened()
        site.environment.dify.data.mkdir(parents=True)
        for statement in ("DROP TABLE IF EXISTS messages", MADE, SAID):
            ask(site, statement.encode())
        yield made
        ask(site, b"DROP TABLE IF EXISTS messages")


def back_to(site: Site, goal: Goal) -> float:
    done = pitr.go_back(site, goal, lambda: pytest.fail("no Dify here to make a point of"))
    assert done.safety == "" and interrupted_restore.pending(site) is None
    return done.seconds


def test_it_goes_back_to_a_named_point_twice_though_a_backup_is_newer(made: LabSite) -> None:
    site = made.opened()
    named = archive.named(site, "upgrade-1")
    goal = Goal(named.at, "rollout rollback staging", named)
    timelines = [primary(site).history().timeline]
    time.sleep(0.1)
    ask(site, SAID.encode())
    assert primary(site).back_up() == ""
    undone, later = primary(site).stanza().backups[-1], archive.named(site, "upgrade-2")
    for _ in range(2):
        ask(site, SAID.encode())
        print(f"back in {back_to(site, goal):.0f} s")
        assert ask(site, COUNT) == 1
        history = primary(site).history()
        timelines.append(history.timeline)
        assert undone in primary(site).stanza().backups
        assert undone not in archive.backups(primary(site), history)
        with pytest.raises(StepError, match="upgrade-2 is outside the archive of pg-meta"):
            pitr.require(site, Goal(later.at, "", later))
        assert archive.back_up(site) == ""
    assert all(before < after for before, after in pairwise(timelines))
    assert made.converge(PARTS["configure"], PARTS["pgsql"]) == []
