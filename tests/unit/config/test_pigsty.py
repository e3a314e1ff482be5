# ruff: noqa: E501 - tables of cases
"""What an environment on Pigsty must hold: one bad input, one exact sentence."""

import pytest

from config.desired import env_file
from config.load import environment_names, load_environment, load_release
from config.pigsty import migration_variables

OURS = "postgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n"
ADDRESS = "is not an IPv4 address; expected four numbers 0-255, like '10.10.10.10'"
CLUSTER = (
    "is not a usable cluster name; expected lower-case letters, digits and '-', "
    "at most 63, starting with a letter, like 'pg-meta'"
)
SENTINEL = (
    "pigsty.redis_mode = 'sentinel'\npigsty.redis_nodes = ['10.0.0.1', '10.0.0.2']\n"
    "redis.sentinels = ['10.0.0.3:26379', '10.0.0.4:26379', '10.0.0.5:26379']\n"
)

PUBLIC = (
    "pigsty.certbot = true\nportal.domain = 'dify.example.com'\n"
    "dify.admin_email = 'admin@example.com'\n"
)
BAD = [
    ("pigsty.version = '4.5'", "pigsty.version: '4.5' is not a version of Pigsty; expected one like 'v4.5.0'"),
    ("pigsty.version = 'v4.5.0; rm'", "pigsty.version: 'v4.5.0; rm' is not a version of Pigsty; expected one like 'v4.5.0'"),
    ("pigsty.region = 'mars'", "pigsty.region: 'mars' is not allowed; expected 'default' or 'china'"),
    (
        "pigsty.template = '../meta'",
        "pigsty.template: '../meta' is not a template of Pigsty; expected a file of its conf/ "
        "without .yml, like 'meta' or 'ha/trio'",
    ),
    ("pigsty.home = 'pigsty'", "pigsty.home: 'pigsty' is relative; expected an absolute path"),
    ("pigsty.source = 'p.tgz'", "pigsty.source: 'p.tgz' is relative; expected an absolute path"),
    ("pigsty.packages = 'p.tgz'", "pigsty.packages: 'p.tgz' is relative; expected an absolute path"),
    ("pigsty.admin_ip = '999.1.1.1'", f"pigsty.admin_ip: '999.1.1.1' {ADDRESS}"),
    ("pigsty.admin_ip = '10.0.0.5extra'", f"pigsty.admin_ip: '10.0.0.5extra' {ADDRESS}"),
    (
        "pigsty.admin_ip = '127.0.0.1'",
        "pigsty.admin_ip: '127.0.0.1' is each machine itself; expected the address the other "
        "machines reach it by",
    ),
    (
        "pigsty.admin_ip = '172.30.31.4'",
        "pigsty.admin_ip: '172.30.31.4' is inside dify.subnet, which belongs to the containers; "
        "expected an address outside it",
    ),
    ("pigsty.pg_cluster = 'pg_meta'", f"pigsty.pg_cluster: 'pg_meta' {CLUSTER}"),
    ("pigsty.redis_cluster = '-x'", f"pigsty.redis_cluster: '-x' {CLUSTER}"),
    (
        "pigsty.pg_version = 19",
        "pigsty.pg_version: Dify 1.16.1 does not run on PostgreSQL 19; "
        "expected PostgreSQL 13 to 18",
    ),
    (
        "pigsty.pg_version = 18\ndify.release = '1.15.0'",
        "pigsty.pg_version: Dify 1.15.0 does not run on PostgreSQL 18; "
        "expected PostgreSQL 13 to 17, or dify.release '1.16.1'",
    ),
    ("pigsty.pg_nodes = ['10.0.0.300']", f"pigsty.pg_nodes: '10.0.0.300' {ADDRESS}"),
    (
        "pigsty.pg_nodes = ['10.0.0.1', '10.0.0.1']",
        "pigsty.pg_nodes: '10.0.0.1' is there twice; expected every address once",
    ),
    (
        "pigsty.pg_senders = ['world']",
        "pigsty.pg_senders: 'world' admits every machine to the password prompt; "
        "expected the addresses Dify connects from",
    ),
    (
        "pigsty.pg_senders = ['::1']",
        "pigsty.pg_senders: '::1' is no sender Pigsty knows; expected an IPv4 address, a network "
        "like '10.0.0.0/8', 'cluster', 'admin', 'infra' or 'intra'",
    ),
    (
        "pigsty.pg_senders = ['10.0.0.1/33']",
        "pigsty.pg_senders: '10.0.0.1/33' is no sender Pigsty knows; expected an IPv4 address, a "
        "network like '10.0.0.0/8', 'cluster', 'admin', 'infra' or 'intra'",
    ),
    (
        "pigsty.pg_senders = ['app.example.com']",
        "pigsty.pg_senders: 'app.example.com' is no sender Pigsty knows; expected an IPv4 address, "
        "a network like '10.0.0.0/8', 'cluster', 'admin', 'infra' or 'intra'",
    ),
    (
        "postgres.port = 5434",
        "postgres.port: 5434 leads to replicas, which take no writes; expected 5436 (the primary)",
    ),
    (
        "pigsty.pg_nodes = ['10.0.0.1', '10.0.0.2']",
        "postgres.port: 5432 is one server and does not follow a failover; expected 5436 (the "
        "primary) or 5433 (the primary through pgbouncer)",
    ),
    (
        "pigsty.version = 'v2.7.0'\npostgres.port = 5433",
        "postgres.port: 5433 is pgbouncer, which Pigsty v2.7.0 sets up to refuse the start-up "
        "options and prepared statements Dify sends; expected 5436 (the primary) or 5432",
    ),
    (
        "pigsty.redis_mode = 'cluster'",
        "pigsty.redis_mode: 'cluster' is not allowed; expected 'standalone', 'replica' or 'sentinel'",
    ),
    (
        "pigsty.redis_nodes = ['10.0.0.1', '10.0.0.2']",
        "pigsty.redis_nodes: redis_mode 'standalone' is one machine, here are 2; expected one, or "
        "redis_mode 'replica' or 'sentinel'",
    ),
    (
        "pigsty.redis_mode = 'replica'\npigsty.redis_nodes = ['10.0.0.1']",
        "pigsty.redis_nodes: redis_mode 'replica' needs a replica; expected two or more",
    ),
    (
        "pigsty.redis_nodes = ['10.0.0.2']",
        "redis.host: '10.0.0.1' is not in pigsty.redis_nodes; expected '10.0.0.2'",
    ),
    (
        "redis.sentinels = ['10.0.0.3:26379']",
        "redis.sentinels: redis_mode is 'standalone'; expected none, or redis_mode 'sentinel'",
    ),
    (
        "pigsty.redis_mode = 'sentinel'\nredis.sentinels = ['10.0.0.3:26379', '10.0.0.4:26379']",
        "redis.sentinels: 2 cannot outvote a lost one; expected 3 or more machines",
    ),
    (
        SENTINEL.replace("10.0.0.1", "10.0.0.7").replace("10.0.0.5", "10.0.0.2"),
        "redis.sentinels: '10.0.0.2' is also in redis_nodes; Pigsty keeps one Redis cluster "
        "a machine, expected another machine",
    ),
    (
        SENTINEL,
        "redis.host: '10.0.0.1' is one machine, and the event bus of Dify 1.16.1 does not ask "
        "Sentinel; expected an address that follows the primary (HAProxy or a virtual IP)",
    ),
    (
        SENTINEL + "dify.release = '0.6.11'",
        "pigsty.redis_mode: Dify 0.6.11 cannot ask Sentinel; expected 'standalone' or 'replica'",
    ),
    (
        "pigsty.certbot = true\ndify.admin_email = 'admin@example.com'",
        "pigsty.certbot: 'dify.pigsty' is no public name, so Let's Encrypt cannot reach it; "
        "expected false, or a public portal.domain",
    ),
    (
        "pigsty.certbot = true\nportal.domain = 'dify.example.com'",
        "dify.admin_email: 'admin@dify.local' cannot get mail, and Let's Encrypt registers it; "
        "expected an address of a public domain, or pigsty.certbot = false",
    ),
    (
        f"{PUBLIC}portal.tls = false",
        "pigsty.certbot: portal.tls is false, so nothing would present the certificate",
    ),
    (
        f"{PUBLIC}portal.route = 'services'",
        "pigsty.certbot: Pigsty's certbot knows entries of infra_portal only, and this portal's "
        "file is written by hand (portal.route 'services', or several nodes.dify); expected false",
    ),
    ("docker.proxy = 'proxy:3128'", "docker.proxy: 'proxy:3128' is not a URL; expected 'http://…' or 'https://…'"),
    (
        "docker.proxy_login = 'robot'",
        "docker.proxy_login: Pigsty keeps the login in its pigsty.yml; expected it in docker.proxy, like http://user:password@host:port",
    ),
    (
        SENTINEL.replace("10.0.0.1", "10.0.0.7").replace("10.0.0.5:26379", "10.0.0.5:26380"),
        "redis.sentinels: '10.0.0.5:26380' is none that Pigsty makes; expected address:26379",
    ),
    (
        "nodes.dify = ['web-1']",
        "nodes.addresses: none for 'web-1', which is not the admin node; "
        "expected the address at which the portal reaches it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_one_sentence_says_what_is_wrong_and_what_to_do(problems, text, sentence):
    assert problems(OURS + text) == [f"mine.toml: {sentence}"]


def test_only_pigsty_reads_them(folder):
    bad = "pigsty.pg_version = 18\npigsty.certbot = true\npigsty.home = 'x'\n"
    (folder / "mine.toml").write_text(f"platform.kind = 'external'\n{OURS}{bad}")
    assert load_environment("mine", folder).pigsty.pg_version == 18


def test_staging_prod_and_the_recipe_are_on_pigsty():
    kinds = {name: load_environment(name).platform.kind for name in environment_names()}
    assert {"staging", "prod", "recipe"} <= {n for n, kind in kinds.items() if kind == "pigsty"}


def test_the_recipe_has_the_names_people_know():
    environment = load_environment("recipe")
    assert environment.pigsty.pg_cluster == "pg-meta"
    assert environment.pigsty.redis_cluster == "redis-dify"
    assert (environment.postgres.user, environment.postgres.database) == ("dbuser_dify", "dify")
    assert (environment.portal.domain, environment.dify.port) == ("dify.pigsty", 8001)


@pytest.fixture
def sentinel(folder):
    (folder / "mine.toml").write_text(OURS.replace("'10.0.0.1'\n", "'10.0.0.9'\n") + SENTINEL)
    return load_environment("mine", folder)


def test_dify_and_celery_ask_sentinel(sentinel, release, secrets):
    settings = env_file.settings(sentinel, release, secrets)
    password = secrets["redis_password"].get_secret_value()
    hosts = [f"10.0.0.{number}:26379" for number in (3, 4, 5)]
    assert settings["REDIS_USE_SENTINEL"] == settings["CELERY_USE_SENTINEL"] == "true"
    assert settings["REDIS_SENTINELS"] == ",".join(hosts)
    assert settings["REDIS_SENTINEL_SERVICE_NAME"] == "redis-dify"
    assert settings["CELERY_SENTINEL_MASTER_NAME"] == "redis-dify"
    assert settings["REDIS_SENTINEL_PASSWORD"] == password
    assert settings["CELERY_SENTINEL_PASSWORD"] == password
    assert settings["CELERY_BROKER_URL"] == ";".join(
        f"sentinel://:{password}@{host}/1" for host in hosts
    )
    assert settings["REDIS_HOST"] == "10.0.0.9"


@pytest.mark.parametrize("name", environment_names())
def test_without_sentinel_there_is_one_address(name, release, secrets):
    settings = env_file.settings(load_environment(name), release, secrets)
    assert settings["REDIS_USE_SENTINEL"] == settings["CELERY_USE_SENTINEL"] == "false"
    assert settings["REDIS_SENTINELS"] == settings["REDIS_SENTINEL_PASSWORD"] == ""
    assert settings["CELERY_BROKER_URL"].startswith("redis://:")


@pytest.mark.parametrize(
    ("port", "variables"),
    [(5432, {}), (5436, {}), (5433, {"DB_PORT": "5436"}), (6432, {"DB_PORT": "5432"})],
)
def test_migrations_go_past_pgbouncer(changed, port, variables):
    environment = changed(load_environment("recipe"), postgres={"port": port})
    assert migration_variables(environment) == variables


def test_another_platform_may_use_such_a_port(changed):
    environment = changed(
        load_environment("recipe"), platform={"kind": "external"}, postgres={"port": 5433}
    )
    assert migration_variables(environment) == {}


def test_no_release_asks_for_what_it_cannot_do():
    assert load_release("0.6.11").redis.sentinel is False
