"""What Patroni says over HTTP, and why a cluster has no leader."""

import json
from typing import Any

import pytest

from tasks.tools.patroni import Leaderless, leaderless, parse_told

NOW = 1_800_000_000.0


def told(address: str = "10.0.0.1", **said: Any):
    body = {"state": "running", "role": "replica", "dcs_last_seen": NOW - 3, **said}
    return parse_told(address, json.dumps(body), NOW)


@pytest.mark.parametrize("role", ["master", "primary", "standby_leader"])
def test_one_that_leads_is_enough(role: str):
    assert leaderless([told(), told("10.0.0.2", role=role)]) is None


def test_where_nobody_is_heard_nothing_is_known():
    assert leaderless([]) is None


@pytest.mark.parametrize(
    ("said", "why", "transient"),
    [
        (
            {"pause": True},
            "Patroni is paused on 10.0.0.1, so that none is elected",
            False,
        ),
        (
            {"dcs_last_seen": NOW - 75},
            "etcd has not answered Patroni on 10.0.0.1 for 75 s, which keeps the server read-only",
            True,
        ),
        ({"state": "starting"}, "PostgreSQL runs on none of its machines", True),
        ({"cluster_unlocked": True}, "an election is under way", True),
        ({"role": "primary", "state": "stopped"}, "PostgreSQL runs on none of its machines", True),
    ],
)
def test_why_there_is_none(said: dict[str, Any], why: str, transient: bool):
    assert leaderless([told(**said)]) == Leaderless(why, transient)


@pytest.mark.parametrize("body", ["<html>", "{}", '{"error": 1}'])
def test_another_service_on_that_port_is_not_patroni(body: str):
    with pytest.raises(ValueError, match=r"answer of Patroni|Expecting value"):
        parse_told("10.0.0.1", body, NOW)
