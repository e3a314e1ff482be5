"""What a server says of its role, as servers that speak Redis' protocol word it."""

from typing import Any

import pytest
from redis._parsers.helpers import parse_info

from clients.redis import follows

# KeyDB's, of which no server runs here: a master's lines come once for each it follows.
KEYDB = """# Server\r
redis_version:6.3.4\r
redis_mode:standalone\r
# Memory\r
used_memory:2334208\r
maxmemory:0\r
maxmemory_policy:noeviction\r
# Replication\r
role:{role}\r
master_global_link_status:up\r
connected_masters:1\r
Master 0: \r
master_host:10.0.0.2\r
master_port:6379\r
master_link_status:up\r
"""


def facts(text: str) -> dict[str, Any]:
    return parse_info(text.encode())


@pytest.mark.parametrize(
    ("role", "repeats"), [("active-replica", False), ("master", False), ("slave", True)]
)
def test_a_keydb_that_takes_writes_beside_another_is_no_replica(role: str, repeats: bool) -> None:
    found = facts(KEYDB.format(role=role))
    assert follows(found) is repeats
    assert (found["master_host"], found["maxmemory_policy"]) == ("10.0.0.2", "noeviction")
