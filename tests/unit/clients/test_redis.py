"""What a server says of its role, as servers that speak Redis' protocol word it."""

from typing import Any

import pytest
from redis._parsers.helpers import parse_info

from clients.redis import follows

# Said by a KeyDB built from its newest source: two that follow each other and take writes.
KEYDB = """# Server\r
redis_version:255.255.255\r
redis_git_sha1:603ebb27\r
redis_mode:standalone\r
server_time_usec:1795863610702850\r
availability_zone:\r
features:cluster_mget\r
\r
# Memory\r
used_memory:1478592\r
maxmemory:0\r
maxmemory_policy:noeviction\r
\r
# Persistence\r
loading:0\r
aof_enabled:1\r
\r
# Replication\r
role:{role}\r
master_global_link_status:up\r
connected_masters:1\r
master_host:127.0.0.1\r
master_port:6471\r
master_link_status:up\r
slave_read_only:0\r
\r
# KeyDB\r
mvcc_depth:0\r
"""


def facts(text: str) -> dict[str, Any]:
    return parse_info(text.encode())


@pytest.mark.parametrize(
    ("role", "repeats"), [("active-replica", False), ("master", False), ("slave", True)]
)
def test_a_keydb_that_takes_writes_beside_another_is_no_replica(role: str, repeats: bool) -> None:
    found = facts(KEYDB.format(role=role))
    assert follows(found) is repeats
    assert (found["master_host"], found["maxmemory_policy"]) == ("127.0.0.1", "noeviction")
