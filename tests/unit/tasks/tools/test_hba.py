"""Rules of pg_hba.conf, as asked for and as Pigsty writes them."""

from tasks.tools import hba

WRITTEN = """# Dify from the pooler [default]
local    dify,dify_plugin   dbuser_dify                           scram-sha-256
host     dify,dify_plugin   dbuser_dify        127.0.0.1/32       scram-sha-256
host     dify,dify_plugin   dbuser_dify        ::1/128            scram-sha-256
host     dify,dify_plugin   dbuser_dify        10.10.10.10/32     scram-sha-256
host     dify,dify_plugin   dbuser_dify        10.10.10.66/32     reject
"""


def rule(addr: str) -> dict[str, str]:
    return {"user": "dbuser_dify", "db": "dify,dify_plugin", "addr": addr, "auth": "pwd"}


def test_what_pigsty_writes_for_a_rule_is_found_again():
    wanted = hba.wanted([rule("localhost"), rule("10.10.10.10/32")])
    assert set(wanted) == hba.parse(WRITTEN)


def test_a_refusal_admits_nobody():
    assert hba.wanted([rule("10.10.10.66/32")])[0] not in hba.parse(WRITTEN)


def test_groups_of_hosts_are_not_looked_for():
    assert hba.wanted([rule("cluster"), rule("intra")]) == []
