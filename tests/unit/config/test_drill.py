"""Where a drill runs: derived, and what an environment says instead."""

import pytest

from config.environment.drill import Drill, DrillPlace, derived

STACK = {"subnet": "172.30.31.0/24", "port": 8001, "taken": {0, 1}}


def test_everything_is_derived_from_the_stack():
    assert derived(DrillPlace(), **STACK) == Drill("172.30.32.0/24", 8009, 14, 15)


def test_what_is_named_is_taken():
    place = DrillPlace(subnet="10.9.0.0/24", port=9000, redis=0, broker=3)
    assert derived(place, **STACK) == Drill("10.9.0.0/24", 9000, 0, 3)


def test_the_last_free_redis_databases_are_used():
    found = derived(DrillPlace(), **{**STACK, "taken": {15, 13}})
    assert (found.redis, found.broker) == (12, 14)


@pytest.mark.parametrize(
    ("subnet", "beside"),
    [("10.255.255.0/24", "10.255.254.0/24"), ("192.168.0.0/25", "192.168.0.128/25")],
)
def test_the_network_beside_is_private(subnet, beside):
    assert derived(DrillPlace(), **{**STACK, "subnet": subnet}).subnet == beside


def test_a_port_at_the_end_has_one_before_it():
    assert derived(DrillPlace(), **{**STACK, "port": 65_530}).port == 65_522
