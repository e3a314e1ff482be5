"""The recipe on every shape of template that Pigsty 4.0 to 4.5 ships: accepted, or a way on."""

from typing import Any

import pytest
import yaml

from config.desired.inventory.merge import merge
from config.errors import ConfigError

HERE = "10.10.10.10"
OTHERS = ("10.10.10.11", "10.10.10.12")
Tree = dict[str, Any]


def cluster(name: str, machines: int = 1, **more: Any) -> Tree:
    hosts = {
        host: {"pg_seq": number, "pg_role": "replica" if number > 1 else "primary"}
        for number, host in enumerate((HERE, *OTHERS)[:machines], start=1)
    }
    return {name: {"hosts": hosts, "vars": {"pg_cluster": name, **more}}}


def redis(name: str) -> Tree:
    hosts = {HERE: {"redis_node": 1, "redis_instances": {6379: {}}}}
    return {name: {"hosts": hosts, "vars": {"redis_cluster": name, "redis_password": "x"}}}


def template(*clusters: Tree, version: int = 18, **more: Any) -> str:
    """A file of one machine with infra and etcd, and these clusters."""
    children: Tree = {
        "infra": {"hosts": {HERE: {"infra_seq": 1}}},
        "etcd": {"hosts": {HERE: {"etcd_seq": 1}}, "vars": {"etcd_cluster": "etcd"}},
    }
    for each in clusters:
        children |= each
    top = {"version": "v4.5.0", "admin_ip": HERE, "pg_version": version, **more}
    return yaml.safe_dump({"all": {"children": children, "vars": top}}, sort_keys=False)


META = cluster("pg-meta", pg_users=[{"name": "dbuser_meta", "roles": ["dbrole_admin"]}])
NONE = "expected pigsty.pg_nodes to make it on, or pigsty.pg_cluster to be one of: "
APPS = ("immich", "jumpserver", "mattermost", "maybe", "odoo")
BUILDS = ("citus", "pgtde", "pgedge", "oriole")
KERNELS = ("mssql", "polar", "ivory", "mysql", "agens")

# By the files of conf/: meta, slim, fat, pgsql, supabase, mongo, app/electric, app/teable, …
ACCEPTED = {
    "one cluster, and the version for all": template(META),
    "the version at the cluster": template(cluster("pg-meta", pg_version=17)),
    "the role's version": template(META).replace("    pg_version: 18\n", ""),
    "an older version": template(META, version=16),
    **{mode: template(cluster("pg-meta", pg_mode=mode)) for mode in BUILDS},
    "documents on top": template(META, cluster("pg-mongo")),
    "extensions of its own": template(cluster("pg-meta", pg_extensions=["postgis", "pgvector"])),
}
REFUSED = {
    **{
        f"app/{app}": (template(cluster(f"pg-{app}")), f"{NONE}pg-{app}") for app in APPS
    },
    **{
        kernel: (
            template(cluster("pg-meta", pg_mode=kernel)),
            "expected another pigsty.pg_cluster, of pg_mode 'pgsql'",
        )
        for kernel in KERNELS
    },
    "docker, vibe": (template(cluster("pgsql")), f"{NONE}pgsql"),
    "infra, minio, registry": (template(), f"{NONE}none there"),
    "pg19": (template(META, version=19), "expected PostgreSQL 13 to 18"),
    "ha/dual": (template(cluster("pg-meta", 2)), "expected postgres.port 5436 (the primary)"),
    "ha/trio, safe, simu": (
        template(cluster("pg-meta", 3)),
        "expected postgres.port 5436 (the primary)",
    ),
    "rich, ha/full, saas": (
        template(META, redis("redis-ms")),
        "or pigsty.redis_cluster to be 'redis-ms'",
    ),
    "app/dify": (
        template(cluster("pg-meta", pg_databases=[{"name": "dify", "owner": "dify"}])),
        "expected the owner to be postgres.user, or another database",
    ),
    "build/oss": (
        template(META, admin_ip="10.10.10.26"),
        f"is not pigsty.admin_ip; expected {HERE!r}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", ACCEPTED)
def test_the_recipe_takes_it(ours, shape):
    merged = yaml.safe_load(merge(ACCEPTED[shape], ours()))["all"]["children"]["pg-meta"]["vars"]
    assert [user["name"] for user in merged["pg_users"]][-1] == "dbuser_dify"
    assert {"dify", "dify_plugin"} <= {entry["name"] for entry in merged["pg_databases"]}
    assert "pgvector" in str(merged["pg_extensions"])


@pytest.mark.parametrize("shape", REFUSED)
def test_one_sentence_says_the_way_on(ours, shape):
    text, way = REFUSED[shape]
    with pytest.raises(ConfigError) as refused:
        merge(text, ours())
    (sentence,) = refused.value.problems
    assert way in sentence


@pytest.mark.parametrize("old", ["1.15.0", "0.6.11"])
def test_a_release_that_does_not_run_on_18_names_the_one_that_does(ours_of, old):
    with pytest.raises(ConfigError) as refused:
        merge(template(META), ours_of(old))
    assert str(refused.value) == (
        f"pigsty.yml:27: all.vars.pg_version: 18 for the cluster 'pg-meta', and Dify {old} does "
        "not run on it; expected PostgreSQL 13 to 17, or dify.release '1.16.1'"
    )
    assert merge(template(META, version=17), ours_of(old))


@pytest.mark.parametrize(("major", "roles"), [(14, ["dbrole_admin"]), (15, None), (18, None)])
def test_the_role_follows_the_version_the_file_says(ours, major, roles):
    merged = yaml.safe_load(merge(template(META, version=major), ours()))
    users = merged["all"]["children"]["pg-meta"]["vars"]["pg_users"]
    assert users[-1].get("roles") == roles


@pytest.mark.parametrize(
    ("key", "way"),
    [("user", {"postgres": {"user": "dify"}}), ("cluster", {"pigsty": {"pg_cluster": "pg-odoo"}})],
)
def test_the_ways_lead_on(ours, key, way):
    owner = [{"name": "dify", "owner": "dify"}]
    text = template(cluster("pg-odoo" if key == "cluster" else "pg-meta", pg_databases=owner))
    assert merge(text, ours(**({"postgres": {"user": "dify"}} | way)))
