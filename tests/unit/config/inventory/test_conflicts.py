# ruff: noqa: E501 - tables of cases
"""What must not be changed silently: one file, one exact sentence, nothing merged."""

import pytest

from config.desired.inventory.conflicts import open_rules
from config.desired.inventory.document import read
from config.desired.inventory.generation import V2, V4
from config.desired.inventory.merge import merge
from config.errors import ConfigError

GOOD = """\
all:
  children:
    pg-meta:
      hosts: { 10.10.10.10: { pg_seq: 1, pg_role: primary } }
      vars:
        pg_cluster: pg-meta
        pg_version: 17
        pg_users: []
        pg_databases: []
    redis-x:
      hosts: { 10.10.10.20: { redis_node: 1, redis_instances: { 6379: {} } } }
      vars: { redis_cluster: redis-x }
  vars:
    admin_ip: 10.10.10.10
    infra_portal:
      home: { domain: i.pigsty }
"""
META = "all.children.pg-meta"
PORTAL = "all.vars.infra_portal"
REDIS = (
    "    redis-dify: { hosts: { 10.10.10.10: { redis_instances: { 6379: {} } } }, "
    "vars: { redis_cluster: redis-dify"
)
USERS = "pg_users: []"
DATABASES = "pg_databases: []"

REFUSED = [
    (
        "admin_ip: 10.10.10.10", "admin_ip: 10.10.10.99",
        "14: all.vars.admin_ip: '10.10.10.99' is not pigsty.admin_ip; expected '10.10.10.10'",
    ),
    (
        "pg-meta", "pg-other",
        "2: all.children: no cluster 'pg-meta'; expected pigsty.pg_nodes to make it on, or pigsty.pg_cluster to be one of: pg-other",
    ),
    (
        "    pg-meta:\n", "    databases:\n",
        "3: all.children.databases: holds the cluster 'pg-meta' under another name; expected the group to be named as its cluster",
    ),
    (
        "pg_cluster: pg-meta", "pg_cluster: pg-else",
        f"6: {META}.vars.pg_cluster: 'pg-else' in the group 'pg-meta'; expected 'pg-meta'",
    ),
    (
        "pg_version: 17", "pg_version: 19",
        f"7: {META}.vars.pg_version: 19 for the cluster 'pg-meta', and Dify 1.16.1 does not run on it; expected PostgreSQL 13 to 18",
    ),
    (
        "pg_version: 17", "pg_version: 17\n        pg_mode: polar",
        f"8: {META}.vars.pg_mode: 'polar' is a server on which Dify is not known to run; expected another pigsty.pg_cluster, of pg_mode 'pgsql'",
    ),
    (
        USERS, "pg_users: [ { name: dbuser_dify, superuser: yes } ]",
        f"8: {META}.vars.pg_users.dbuser_dify.superuser: true; expected false: Dify needs no superuser",
    ),
    (
        USERS, "pg_users: [ { name: x }, { name: dbuser_dify, state: absent } ]",
        f"8: {META}.vars.pg_users.dbuser_dify.state: 'absent' would drop the role; expected 'create'",
    ),
    (
        DATABASES, "pg_databases: [ { name: dify, owner: someone } ]",
        f"9: {META}.vars.pg_databases.dify.owner: 'someone' instead of 'dbuser_dify'; expected the owner to be postgres.user, or another database",
    ),
    (
        DATABASES, "pg_databases: [ { name: dify_plugin, state: recreate } ]",
        f"9: {META}.vars.pg_databases.dify_plugin.state: 'recreate' would drop the database; expected 'create'",
    ),
    (
        "  vars:\n    admin", f"{REDIS} }} }}\n  vars:\n    admin",
        "13: all.children.redis-dify.vars.redis_password: is not the secret redis_password; expected the same: give its value to the environment's secrets, or name a pigsty.redis_cluster of other machines",
    ),
    (
        "  vars:\n    admin", f"{REDIS}, redis_mode: cluster, redis_password: PASSWORD }} }}\n  vars:\n    admin",
        "13: all.children.redis-dify.vars.redis_mode: 'cluster' is a kind of Redis this cluster cannot be; expected 'standalone'",
    ),
    (
        "  vars:\n    admin", f"{REDIS.replace('6379', '6380')}, redis_password: PASSWORD }} }}\n  vars:\n    admin",
        "13: all.children.redis-dify.hosts: no Redis on port 6379; expected redis.port to be one of: 6380",
    ),
    (
        "pg_role: primary } }", "pg_role: primary }, 10.10.10.11: { pg_seq: 2, pg_role: replica } }",
        f"4: {META}.hosts: 2 machines, and postgres.port 5432 is one of them, which does not follow a failover; expected postgres.port 5436 (the primary) or 5433 (the primary through pgbouncer)",
    ),
    (
        "10.10.10.20: { redis_node", "10.10.10.10: { redis_node",
        "11: all.children.redis-x.hosts.10.10.10.10: is a machine of 'redis-x' already, and Pigsty keeps one such cluster a machine; expected another machine in pigsty.redis_nodes, or pigsty.redis_cluster to be 'redis-x'",
    ),
    (
        "redis_cluster: redis-x", "redis_cluster: redis-dify",
        "10: all.children.redis-x: holds the cluster 'redis-dify' under another name; expected the group to be named as its cluster",
    ),
    (
        "i.pigsty }\n", "i.pigsty }\n      dify: { domain: old.pigsty, endpoint: 'x:1' }\n",
        f"17: {PORTAL}.dify.domain: 'old.pigsty' is another site; expected 'dify.pigsty', or another dify.project",
    ),
    (
        "i.pigsty }\n", "i.pigsty }\n      dify: { domain: dify.pigsty, path: /www/x }\n",
        f"17: {PORTAL}.dify.path: serves this instead of Dify; expected no such key, or another dify.project",
    ),
    (
        "i.pigsty }\n", "i.pigsty }\n      ai: { domain: dify.pigsty, endpoint: 'x:1' }\n",
        f"17: {PORTAL}.ai: serves 'dify.pigsty' already; expected one entry for a domain: set dify.project to 'ai', or another portal.domain",
    ),
    (
        "i.pigsty }\n", "i.pigsty }\n      ai: { domain: a.pigsty, domains: [ dify.pigsty ], endpoint: 'x:1' }\n",
        f"17: {PORTAL}.ai: serves 'dify.pigsty' already; expected one entry for a domain: set dify.project to 'ai', or another portal.domain",
    ),
    (
        "    infra_portal", "    nginx_ssl_port: 8443\n    infra_portal",
        "15: all.vars.nginx_ssl_port: the portal answers on 8443, and portal.https_port is 443; expected the same",
    ),
    (
        "    redis-x:\n", "    dify: { hosts: { 10.10.10.50: {} } }\n    redis-x:\n",
        "10: all.children.dify.hosts: 10.10.10.50 instead of 10.10.10.10; expected the machines of Dify, or another dify.project",
    ),
    (
        "pg_users: []", "pg_users: &users []\n    other:\n      vars: { pg_users: *users }",
        f"8: {META}.vars.pg_users: shared with other parts by an anchor; expected a value of its own, so that it can be changed here only",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), REFUSED, ids=[s[:60] for _, _, s in REFUSED])
def test_one_sentence_names_the_place_and_both_ways_out(old, new, sentence, ours, secrets):
    assert old in GOOD
    text = GOOD.replace(old, new)
    if new.startswith("pg_users: &users"):
        text = text.replace("        pg_databases: []\n", "")
    text = text.replace("PASSWORD", secrets["redis_password"].get_secret_value())
    with pytest.raises(ConfigError) as refused:
        merge(text, ours())
    assert str(refused.value) == f"pigsty.yml:{sentence}"


def test_the_file_itself_is_fine(ours):
    assert "dbuser_dify" in merge(GOOD, ours())


SETTINGS = [
    (
        {"pigsty": {"pg_version": 16}},
        f"7: {META}.vars.pg_version: 17 for the cluster 'pg-meta', and pigsty.pg_version is 16; expected the same, or 0: the version of a cluster is never changed in place",
    ),
    (
        {"pigsty": {"pg_nodes": ["10.10.10.11"]}},
        f"4: {META}.hosts: 10.10.10.10 instead of 10.10.10.11; expected the machines of pigsty.pg_nodes, or another pigsty.pg_cluster",
    ),
    (
        {"pigsty": {"pg_cluster": "pg-dify", "pg_nodes": ["10.10.10.10"]}},
        f"4: {META}.hosts.10.10.10.10: is a machine of 'pg-meta' already, and Pigsty keeps one such cluster a machine; expected another machine in pigsty.pg_nodes, or pigsty.pg_cluster to be 'pg-meta'",
    ),
    (
        {"pigsty": {"redis_nodes": []}},
        "2: all.children: no cluster 'redis-dify'; expected pigsty.redis_nodes to make it on, or pigsty.redis_cluster to be one of: redis-x",
    ),
    (
        {"portal": {"route": "services"}, "dify": {"project": "home"}},
        f"16: {PORTAL}.home: would overwrite the file written for portal.route 'services', home.conf; expected no entry of this name, or another dify.project",
    ),
    (
        {
            "pigsty": {
                "redis_mode": "sentinel",
                "redis_nodes": ["10.10.10.31", "10.10.10.32"],
            },
            "redis": {"sentinels": [f"10.10.10.{last}:26379" for last in (20, 33, 34)]},
        },
        "11: all.children.redis-x.hosts.10.10.10.20: is a machine of 'redis-x' already, and Pigsty keeps one such cluster a machine; expected another machine in redis.sentinels, or pigsty.redis_cluster to be 'redis-x'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "sentence"), SETTINGS, ids=[s[:60] for _, s in SETTINGS])
def test_settings_that_the_file_contradicts(settings, sentence, ours):
    with pytest.raises(ConfigError) as refused:
        merge(GOOD, ours(**settings))
    assert str(refused.value) == f"pigsty.yml:{sentence}"


def test_all_conflicts_are_said_at_once(ours):
    text = GOOD.replace("17", "12").replace("admin_ip: 10.10.10.10", "admin_ip: 10.10.10.99")
    with pytest.raises(ConfigError) as refused:
        merge(text, ours())
    assert len(refused.value.problems) == 2


def test_no_password_is_in_a_sentence(ours, secrets):
    text = GOOD.replace(
        "  vars:\n    admin", f"{REDIS}, redis_password: Old.Secret }} }}\n  vars:\n    admin"
    )
    with pytest.raises(ConfigError) as refused:
        merge(text, ours())
    assert "Old.Secret" not in str(refused.value)
    assert secrets["redis_password"].get_secret_value() not in str(refused.value)


@pytest.mark.parametrize("generation", [V2, V4], ids=lambda generation: generation.name)
def test_the_version_of_a_cluster_may_stand_above_it(generation, ours):
    text = GOOD.replace("        pg_version: 17\n", "").replace(
        "    admin_ip", "    pg_version: '17'\n    admin_ip"
    )
    assert "dbuser_dify" in merge(text, ours(generation))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "{ user: dbuser_dify, db: all, addr: world, auth: pwd, title: dify }",
            ["its rule 'dify' lets dbuser_dify into every database from every address"],
        ),
        (
            "{ user: dbuser_dify, db: dify, addr: 0.0.0.0/0 }",
            ["its rule '0.0.0.0/0' lets dbuser_dify into dify from every address"],
        ),
        ("{ user: dbuser_dify, db: all, addr: intra }", []),
        ("{ user: dbuser_view, db: all, addr: world }", []),
    ],
)
def test_a_rule_that_opens_the_database_to_everybody_is_named(ours, rule: str, said: list[str]):
    text = GOOD.replace("pg_users: []", f"pg_hba_rules: [{rule}]")
    assert open_rules(read(text).tree, ours()) == said


def test_a_machine_that_stands_there_under_another_name_is_not_entered_twice(ours):
    text = GOOD.replace(
        "    redis-x:", "    own: { hosts: { box: { ansible_host: 10.10.10.10 } } }\n    redis-x:"
    )
    tree = read(
        merge(text.replace("10.10.10.10: {", "pg-1: { ansible_host: 10.10.10.10,"), ours())
    ).tree
    assert list(tree["all"]["children"]["dify"]["hosts"]) == ["pg-1"]


def test_a_cluster_is_made_on_a_machine_by_the_name_that_it_has_and_a_second_run_agrees(ours):
    text = GOOD.partition("    redis-x:")[0].replace(
        "10.10.10.10: {", "pg-1: { ansible_host: 10.10.10.10,"
    )
    merged = merge(text, ours())
    assert "10.10.10.10" not in read(merged).tree["all"]["children"]["redis-dify"]["hosts"]
    assert merge(merged, ours()) == merged


def test_such_a_rule_is_narrowed_where_that_is_asked_for_and_stays_where_it_stands(ours):
    rule = "{ user: dbuser_dify, db: all, addr: world, auth: pwd, title: dify }  # the recipe's"
    text = GOOD.replace("pg_users: []", f"pg_hba_rules:\n          - {rule}")
    assert rule in merge(text, ours())
    fragment = ours(pigsty={"narrow_world": True})
    narrowed = merge(text, fragment)
    assert rule.replace("world", "intra") in narrowed
    assert merge(narrowed, fragment) == narrowed
    assert open_rules(read(narrowed).tree, fragment) == []
