"""Where a cluster goes back to, as Pigsty's playbook is told."""

from datetime import UTC, datetime

from tasks.core.upgrade_mark import Named, Upgrade
from tasks.points.goal import Goal, at_moment

AT = datetime(2026, 11, 27, 21, 40, 5, 250_000, UTC)
NAMED = Named(name="upgrade-20261127T214005Z", at=AT, backup="20261127-010000F")


def test_a_moment_is_told_to_the_microsecond_in_utc() -> None:
    goal = at_moment("prod", AT)
    assert goal.asked() == {"time": "2026-11-27 21:40:05.250000+00"}
    assert goal.finish == "rollout restore prod --to-time 2026-11-27T21:40:05.250000+00:00"


def test_a_name_is_told_with_the_backup_before_it() -> None:
    asked = Goal(AT, "rollout rollback prod", NAMED).asked()
    assert asked == {"name": "upgrade-20261127T214005Z", "set": "20261127-010000F"}


def test_the_mark_of_an_upgrade_keeps_it_for_who_chooses_the_cluster() -> None:
    mark = Upgrade(old="1.16.1", new="1.17.1", point="p", proved="", named=NAMED)
    read = Upgrade.model_validate_json(mark.model_dump_json())
    assert read.to("cluster") == NAMED and read.to("point") is None
    assert read.unsaved_s == 0
