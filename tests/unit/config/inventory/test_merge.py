import pytest

from config.desired.inventory.document import read
from config.desired.inventory.merge import merge

SMALL = """\
all:
  children:
    pg-meta:
      hosts: { 10.10.10.10: { pg_seq: 1, pg_role: primary } }
      vars:
        pg_cluster: pg-meta
        pg_version: 17     # stays
        pg_databases: [{ name: meta }]   # a comment
    infra: { hosts: { 10.10.10.10: { infra_seq: 1 } } }
  vars:
    admin_ip: 10.10.10.10
    infra_portal:
      home: { domain: i.pigsty }
"""


@pytest.fixture
def fragment(ours):
    return ours()


def test_every_line_that_was_there_stays_as_it_was(fragment):
    merged = iter(merge(SMALL, fragment).splitlines())
    was = [line for line in SMALL.splitlines() if "name: meta" not in line]
    assert all(line in merged for line in was)


def test_a_second_merge_changes_nothing(fragment):
    merged = merge(SMALL, fragment)
    assert merge(merged, fragment) == merged


def test_what_dify_needs_is_there(fragment, secrets):
    tree = read(merge(SMALL, fragment)).tree["all"]
    cluster = tree["children"]["pg-meta"]["vars"]
    (user,) = cluster["pg_users"]
    assert (user["name"], user["password"]) == (
        "dbuser_dify",
        secrets["postgres_password"].get_secret_value(),
    )
    assert "superuser" not in user
    assert [database["name"] for database in cluster["pg_databases"]] == [
        "meta",
        "dify",
        "dify_plugin",
    ]
    assert cluster["pg_extensions"] == ["pgvector"]
    redis = tree["children"]["redis-dify"]["vars"]
    assert (redis["redis_mem_policy"], redis["redis_aof_enabled"]) == ("noeviction", True)
    assert tree["vars"]["infra_portal"]["dify"]["domain"] == "dify.pigsty"
    assert tree["vars"]["dns_records"][-1] == "${admin_ip} dify.pigsty"
