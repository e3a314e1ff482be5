"""What is asked of pigsty.yml, by settings."""

import json

import pytest
import yaml
from pydantic import SecretStr

from config.desired.inventory.generation import V2, V3_0, V3_1, V3_4, V3_7, V4, of_version
from config.desired.inventory.merge import merge
from config.desired.portal import MARK
from config.errors import ConfigError

EMPTY = "all:\n  children:\n    infra: { hosts: { 10.10.10.10: { infra_seq: 1 } } }\n"
MADE = {"pg_cluster": "pg-dify", "pg_nodes": ["10.10.10.11", "10.10.10.12", "10.10.10.13"]}
SENTINEL = {
    "redis_mode": "sentinel",
    "redis_nodes": ["10.10.10.31", "10.10.10.32"],
}
WATCHED = {"sentinels": [f"10.10.10.{last}:26379" for last in (33, 34, 35)]}


@pytest.fixture
def said(ours):
    """The file's data, as Ansible reads it, after a merge into next to nothing."""

    def make(generation=V4, text=EMPTY, **sections):
        sections["pigsty"] = MADE | sections.get("pigsty", {})
        return yaml.safe_load(merge(text, ours(generation, **sections)))["all"]

    return make


def test_a_cluster_of_ours_has_a_primary_and_replicas(said):
    cluster = said()["children"]["pg-dify"]
    assert cluster["hosts"] == {
        "10.10.10.11": {"pg_seq": 1, "pg_role": "primary"},
        "10.10.10.12": {"pg_seq": 2, "pg_role": "replica"},
        "10.10.10.13": {"pg_seq": 3, "pg_role": "replica"},
    }
    assert cluster["vars"]["pg_cluster"] == "pg-dify"
    assert "pg_version" not in cluster["vars"]  # as the file says for all, or the role


def test_the_role_is_no_superuser_and_in_no_group_that_reads_other_databases(said):
    (user,) = said()["children"]["pg-dify"]["vars"]["pg_users"]
    assert set(user) == {"name", "password", "pgbouncer", "comment"}
    assert user["pgbouncer"] is False


def test_before_postgresql_15_the_role_must_be_let_into_the_schema_public(said):
    (user,) = said(pigsty={"pg_version": 14})["children"]["pg-dify"]["vars"]["pg_users"]
    assert user["roles"] == ["dbrole_admin"]


def test_through_pgbouncer_the_role_and_its_addresses_are_known_there(said):
    cluster = said(postgres={"port": 5433})["children"]["pg-dify"]["vars"]
    assert cluster["pg_users"][0]["pgbouncer"] is True
    assert cluster["pgb_hba_rules"] == cluster["pg_hba_rules"]


def test_pgbouncer_itself_is_let_in_where_it_is_used(said):
    def senders(port: int) -> set[str]:
        rules = said(postgres={"port": port})["children"]["pg-dify"]["vars"]["pg_hba_rules"]
        return {rule["addr"] for rule in rules}

    assert senders(5433) - senders(5436) == {"localhost"}


def test_databases_have_an_owner_and_extensions_by_their_sql_names(said):
    databases = said()["children"]["pg-dify"]["vars"]["pg_databases"]
    assert [(d["name"], d["owner"], d["revokeconn"]) for d in databases] == [
        ("dify", "dbuser_dify", True),
        ("dify_plugin", "dbuser_dify", True),
    ]
    assert databases[0]["extensions"] == [{"name": "uuid-ossp"}, {"name": "vector"}]
    assert all("state" not in database for database in databases)


def test_a_release_without_plugins_has_their_database_too_as_its_points_do(ours_of):
    databases = ours_of("0.6.11").databases
    assert [(d["name"], d["extensions"]) for d in databases] == [
        ("dify", [{"name": "uuid-ossp"}, {"name": "vector"}]),
        ("dify_plugin", []),
    ]


def test_nobody_but_dify_is_let_in(said):
    rules = said(pigsty={"pg_senders": ["10.7.0.0/16"]})["children"]["pg-dify"]["vars"]
    rules = rules["pg_hba_rules"]
    assert {rule["addr"] for rule in rules} == {
        "172.30.31.0/24", "cluster", "10.10.10.10/32", "10.7.0.0/16",
    }  # fmt: skip
    assert {(rule["user"], rule["db"], rule["auth"]) for rule in rules} == {
        ("dbuser_dify", "dify,dify_plugin", "pwd")
    }


def test_several_nodes_are_let_in_get_docker_and_no_entry_of_the_portal(said):
    nodes = {"dify": ["a", "b"], "addresses": ["10.10.10.41", "10.10.10.42"]}
    s3 = {"kind": "s3", "bucket": "dify-files", "plugin_bucket": "dify-plugins"}
    inventory = said(nodes=nodes, storage=s3)
    rules = inventory["children"]["pg-dify"]["vars"]["pg_hba_rules"]
    assert {"10.10.10.41/32", "10.10.10.42/32"} <= {rule["addr"] for rule in rules}
    assert inventory["children"]["dify"] == {
        "hosts": {"10.10.10.41": {}, "10.10.10.42": {}},
        "vars": {"docker_enabled": True},
    }
    assert "infra_portal" not in inventory["vars"]


def test_redis_keeps_what_celery_queues(said):
    settings = said()["children"]["redis-dify"]["vars"]
    assert settings["redis_mem_policy"] == "noeviction"
    assert settings["redis_aof_enabled"] is True
    assert settings["redis_max_memory"] == "256MB"


def test_a_replica_follows_the_first_machine(said):
    pigsty = {"redis_mode": "replica", "redis_nodes": ["10.10.10.31", "10.10.10.32"]}
    hosts = said(pigsty=pigsty)["children"]["redis-dify"]["hosts"]
    assert hosts == {
        "10.10.10.31": {"redis_node": 1, "redis_instances": {6379: {}}},
        "10.10.10.32": {
            "redis_node": 2,
            "redis_instances": {6379: {"replica_of": "10.10.10.31 6379"}},
        },
    }


def test_sentinels_are_a_cluster_of_their_own_that_watches_the_other(said, secrets):
    password = secrets["redis_password"].get_secret_value()
    groups = said(pigsty=SENTINEL, redis=WATCHED)["children"]
    sentinel = groups["redis-dify-sentinel"]
    assert [host["redis_instances"] for host in sentinel["hosts"].values()] == [{26379: {}}] * 3
    assert sentinel["vars"]["redis_mode"] == "sentinel"
    assert sentinel["vars"]["redis_password"] == password
    assert sentinel["vars"]["redis_sentinel_monitor"] == [
        {
            "name": "redis-dify",
            "host": "10.10.10.31",
            "port": 6379,
            "password": password,
            "quorum": 2,
        }
    ]


def test_sentinels_that_are_there_are_told_whom_to_watch(said, secrets):
    password = secrets["redis_password"].get_secret_value()
    hosts = ", ".join(f"10.10.10.{number}: {{}}" for number in (33, 34, 35))
    watched = (
        "[ { name: other, host: 1.2.3.4 }, { name: redis-dify, host: 10.10.10.31, quorum: 1 } ]"
    )
    text = (
        f"{EMPTY}    redis-dify-sentinel: {{ hosts: {{ {hosts} }}, vars: {{ redis_mode: sentinel, "
        f"redis_password: {password}, redis_sentinel_monitor: {watched} }} }}\n"
    )
    sentinel = said(text=text, pigsty=SENTINEL, redis=WATCHED)["children"]["redis-dify-sentinel"]
    other, ours = sentinel["vars"]["redis_sentinel_monitor"]
    assert other == {"name": "other", "host": "1.2.3.4"}
    assert (ours["quorum"], ours["port"], ours["password"]) == (2, 6379, password)


def test_the_portal_leads_to_the_stack(said):
    entry = said()["vars"]["infra_portal"]["dify"]
    assert entry.pop("config").startswith(MARK)
    assert entry == {
        "domain": "dify.pigsty",
        "endpoint": "127.0.0.1:8001",
        "websocket": True,
        "enforce_https": True,
    }


def test_the_entry_brings_headers_and_ciphers_where_pigsty_knows_how(said):
    config = said()["vars"]["infra_portal"]["dify"]["config"]
    assert "ssl_conf_command CipherString ECDHE-ECDSA-AES128-GCM-SHA256:" in config
    assert 'add_header Strict-Transport-Security "max-age=63072000" always;' in config
    assert "add_header X-Content-Type-Options nosniff always;" in config
    plain = said(portal={"tls": False})["vars"]["infra_portal"]["dify"]["config"]
    assert "ssl_" not in plain and "Strict-Transport" not in plain and "nosniff" in plain
    for old in (V2, V3_1):
        entry = said(old, pigsty={"pg_version": 16})["vars"]["infra_portal"]["dify"]
        assert "config" not in entry


@pytest.mark.parametrize("own", ["# mine\nallow 10.0.0.0/8;", f"{MARK}\n# of an older release"])
def test_directives_of_an_operator_stay_and_older_ones_of_ours_go(own, said):
    values = f"domain: dify.pigsty, endpoint: '127.0.0.1:8001', config: {json.dumps(own)}"
    entry = f"dify: {{ {values} }}"
    text = f"{EMPTY}  vars:\n    infra_portal:\n      {entry}\n"
    config = said(text=text)["vars"]["infra_portal"]["dify"]["config"]
    assert (config == own) == own.startswith("# mine")


def test_a_public_domain_may_have_a_certificate_of_lets_encrypt(said):
    public = {"portal": {"domain": "dify.example.com"}, "dify": {"admin_email": "me@example.com"}}
    values = said(**public, pigsty={"certbot": True})["vars"]
    assert values["infra_portal"]["dify"]["certbot"] == "dify.example.com"
    assert values["certbot_email"] == "me@example.com"


@pytest.mark.parametrize(
    ("there", "kept"),
    [("your@email.com", "me@example.com"), ("ops@example.org", "ops@example.org")],
)
def test_an_address_that_is_nobodys_gives_way(there, kept, said):
    public = {"portal": {"domain": "dify.example.com"}, "dify": {"admin_email": "me@example.com"}}
    text = f"{EMPTY}  vars: {{ certbot_email: {there} }}\n"
    values = said(text=text, **public, pigsty={"certbot": True})["vars"]
    assert values["certbot_email"] == kept


def test_a_portal_file_written_by_hand_has_no_entry(said):
    assert "infra_portal" not in said(portal={"route": "services"})["vars"]


@pytest.mark.parametrize(
    ("generation", "others"),
    [(V2, ["home", "grafana", "prometheus", "alertmanager", "blackbox", "loki"]), (V4, ["home"])],
)
def test_a_list_that_is_first_written_holds_what_the_role_had(generation, others, said):
    values = said(generation, pigsty={"pg_version": 16})["vars"]
    assert list(values["infra_portal"]) == [*others, "dify"]
    assert values["dns_records"][:-1] == list(generation.dns_records)


def test_records_of_the_domain(said):
    assert said()["vars"]["dns_records"][-1] == "${admin_ip} dify.pigsty"
    assert said(pigsty={"domain_record": "hosts"})["vars"]["node_etc_hosts"] == [
        "${admin_ip} dify.pigsty"
    ]
    values = said(pigsty={"domain_record": "none"})["vars"]
    assert "dns_records" not in values and "node_etc_hosts" not in values


def test_who_named_the_domain_decides_where_it_is(said):
    text = f"{EMPTY}  vars: {{ dns_records: [ '10.9.9.9 x.pigsty dify.pigsty' ] }}\n"
    assert said(text=text)["vars"]["dns_records"] == ["10.9.9.9 x.pigsty dify.pigsty"]


def test_the_proxy_reaches_docker(said):
    values = said(docker={"proxy": "http://p:3128"})["vars"]
    assert values["proxy_env"]["http_proxy"] == values["proxy_env"]["all_proxy"] == "http://p:3128"
    assert values["proxy_env"]["no_proxy"] == V4.no_proxy


@pytest.mark.parametrize(
    "text",
    [
        f"{EMPTY}  vars: {{ docker_enabled: true }}\n",
        f"{EMPTY}    app: {{ hosts: {{ 10.10.10.10: }}, vars: {{ docker_enabled: true }} }}\n",
        f"{EMPTY}    app: {{ hosts: {{ 10.10.10.10: {{ docker_enabled: yes }} }} }}\n",
    ],
)
def test_a_machine_that_has_docker_gets_no_group_for_it(text, said):
    assert "dify" not in said(text=text)["children"]


PACKAGES = [
    (V4, "", ["pgvector"]),
    (V4, "pg_extensions: [ postgis ]", ["postgis", "pgvector"]),
    (V4, "pg_extensions: [ 'postgis pgvector' ]", ["postgis pgvector"]),
    (V4, "pg_extensions: [ pgvector_17* ]", ["pgvector_17*"]),
    (V2, "", None),
    (V2, "pg_extensions: [ postgis34_$v* ]", ["postgis34_$v*", "pgvector_$v*"]),
    (
        V2,
        "pg_extensions: [ postgresql-$v-postgis* ]",
        ["postgresql-$v-postgis*", "postgresql-$v-pgvector"],
    ),
    (V2, "pg_extensions: [ postgresql-$v-pgvector ]", ["postgresql-$v-pgvector"]),
]


@pytest.mark.parametrize(("generation", "there", "packages"), PACKAGES)
def test_the_package_of_pgvector_is_named_as_the_generation_names_it(
    generation, there, packages, ours
):
    cluster = (
        "    pg-meta: { hosts: { 10.10.10.10: {} }, vars: { pg_cluster: pg-meta, pg_version: 16"
    )
    text = f"{EMPTY}{cluster}, {there} }} }}\n"
    merged = yaml.safe_load(merge(text, ours(generation, pigsty={"pg_version": 16})))
    assert merged["all"]["children"]["pg-meta"]["vars"].get("pg_extensions") == packages


def test_a_list_for_all_clusters_is_kept_by_ours(said):
    text = f"{EMPTY}  vars: {{ pg_extensions: [ postgis ] }}\n"
    inventory = said(text=text)
    assert inventory["vars"]["pg_extensions"] == ["postgis"]
    assert inventory["children"]["pg-dify"]["vars"]["pg_extensions"] == ["postgis", "pgvector"]


def test_a_generation_that_purges_on_a_rerun_is_told_not_to(said):
    old = said(V2, pigsty={"pg_version": 16})["children"]
    assert old["redis-dify"]["vars"]["redis_clean"] is False
    assert old["pg-dify"]["vars"]["pg_safeguard"] is True
    new = said()["children"]
    assert "redis_clean" not in new["redis-dify"]["vars"]
    assert "pg_safeguard" not in new["pg-dify"]["vars"]


@pytest.mark.parametrize("password", ["a b", "it's", 'say"x', "a#b", "a\\b", "{{ x }}", ""])
def test_a_password_that_templates_break_on_is_refused(password, ours, secrets):
    secrets["redis_password"] = SecretStr(password)
    with pytest.raises(ConfigError) as refused:
        ours()
    assert str(refused.value) == (
        "secret redis_password: holds a space, quote, backslash, '#' or '{', or nothing; "
        "expected others, since Pigsty's templates write it unquoted"
    )


def test_no_password_is_in_a_fragments_text(ours, secrets):
    shown = repr(ours(pigsty=SENTINEL, redis={"host": "10.10.10.9", **WATCHED}))
    assert not any(value.get_secret_value() in shown for value in secrets.values())


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        ("2.7.0", V2), ("3.0.4", V3_0), ("3.1.0", V3_1), ("3.3.0", V3_1), ("3.4.1", V3_4),
        ("3.7.0", V3_7), ("4.0.0", V4), ("4.5.0", V4), ("4.3.0-b1", V4), ("unknown", V4),
    ],
)  # fmt: skip
def test_a_tree_of_a_version_has_its_own_defaults(version, generation):
    assert of_version(version) is generation


def test_pigsty_3_has_package_names_of_its_own_and_names_of_its_own_machines(said):
    vars_of = {g.name: said(g)["vars"] for g in (V3_0, V3_1, V3_4, V3_7)}
    records = {name: " ".join(values["dns_records"]) for name, values in vars_of.items()}
    assert all("h.pigsty a.pigsty p.pigsty g.pigsty" in text for text in records.values())
    assert [name for name, text in records.items() if "sss.pigsty" in text] == ["v3.0"]
    prometheus = {n: v["infra_portal"]["prometheus"]["endpoint"] for n, v in vars_of.items()}
    assert prometheus["v3.4"].endswith(":9090") and prometheus["v3.7"].endswith(":9058")
    https = [n for n, v in vars_of.items() if "enforce_https" in v["infra_portal"]["dify"]]
    assert https == ["v3.4", "v3.7"]


@pytest.mark.parametrize("generation", [V3_0, V3_4, V3_7])
def test_pigsty_3_purges_on_a_rerun_as_pigsty_2_does(generation, said):
    made = said(generation)["children"]
    assert made["redis-dify"]["vars"]["redis_clean"] is False
    assert made["pg-dify"]["vars"]["pg_safeguard"] is True
    assert "pgvector" in made["pg-dify"]["vars"]["pg_extensions"]


def test_where_points_are_made_a_drill_has_databases_and_rules_of_its_own(said):
    made = said(backup={"repository": "/backup", "drill": {"subnet": "172.30.99.0/24"}})
    cluster = made["children"]["pg-dify"]["vars"]
    names = [entry["name"] for entry in cluster["pg_databases"]]
    assert names == ["dify", "dify_plugin", "dify_drill", "dify_plugin_drill"]
    of = {rule["addr"]: rule["db"] for rule in cluster["pg_hba_rules"] if "drill" in rule["title"]}
    assert of["172.30.99.0/24"] == "dify_drill,dify_plugin_drill"
    assert "172.30.31.0/24" not in of
