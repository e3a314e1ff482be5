"""What people are told before they let an upgrade begin."""

import pytest

from config.rules.upgrade import Hop
from tasks.upgrades.way import Way, notes


def told(held: int, *, by_cluster: bool, outage: str = "no new api beside the old one") -> str:
    way = Way(Hop("prod", "1.16.1", "1.17.1"), (), {}, held, by_cluster, None, outage)
    return "\n".join(notes(way, drilled=True))


@pytest.mark.parametrize(
    ("held", "by_cluster", "words", "seconds"),
    [
        (3_000_000_000, False, "another one is taken once nobody writes any longer", 160),
        (30_000_000_000, False, "a way back loses what people write after the point", 60),
        (3_000_000_000, True, "takes the whole cluster there, databases of others too", 60),
        (30_000_000_000, True, "takes the whole cluster there, databases of others too", 60),
    ],
)
def test_where_a_way_back_leads_and_what_it_costs(
    held: int, by_cluster: bool, words: str, seconds: int
) -> None:
    said = told(held, by_cluster=by_cluster)
    assert words in said and f"nobody can use Dify for about {seconds} s" in said


@pytest.mark.parametrize("by_cluster", [False, True])
def test_where_both_releases_run_at_once_a_way_back_takes_the_point(*, by_cluster: bool) -> None:
    said = told(3_000_000_000, by_cluster=by_cluster, outage="")
    assert "nothing has to be restored" in said and "whole cluster" not in said
    assert said.endswith("later, rollout rollback prod goes back to the point")
