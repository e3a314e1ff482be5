"""What Patroni lists of a cluster, and who of it still has the old history."""

import json

import pytest

from tasks.tools.patroni import members, parse_members, reinit

LISTED = json.dumps(
    [
        {"Cluster": "pg-dify", "Member": "pg-dify-1", "Host": "10.0.0.1", "Role": "Leader",
         "State": "running", "TL": 3, "Pending restart": "*"},
        {"Cluster": "pg-dify", "Member": "pg-dify-2", "Host": "10.0.0.2", "Role": "Replica",
         "State": "running", "TL": 1, "Lag in MB": 0},
        {"Cluster": "pg-dify", "Member": "pg-dify-3", "Host": "10.0.0.3", "Role": "Sync Standby",
         "State": "streaming", "TL": 3, "Lag in MB": 0},
        {"Cluster": "pg-dify", "Member": "pg-dify-4", "Host": "10.0.0.4", "Role": "Replica",
         "State": "creating replica", "Lag in MB": "unknown"},
        {"Cluster": "pg-dify", "Member": "pg-dify-5", "Host": "10.0.0.5", "Role": "Replica",
         "State": "stopped", "Lag in MB": "unknown"},
    ]
)  # fmt: skip


def test_who_leads_and_who_follows() -> None:
    leader, *others = parse_members(LISTED)
    assert leader.leads and (leader.name, leader.host) == ("pg-dify-1", "10.0.0.1")
    assert not any(each.leads for each in others)
    assert [each.name for each in others if not each.follows(leader)] == ["pg-dify-2", "pg-dify-5"]


@pytest.mark.parametrize("said", ["", "Error: Can not find suitable configuration", "{"])
def test_what_is_no_list_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_members(said)


def test_nothing_is_asked_back() -> None:
    assert members("pg-dify")[-4:] == ("list", "pg-dify", "--format", "json")
    assert reinit("pg-dify", "pg-dify-2")[-4:] == ("reinit", "pg-dify", "pg-dify-2", "--force")
