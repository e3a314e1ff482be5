"""The steps on a Pigsty that is in use, and how each of its quirks is met."""

import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis as client

from clients.command import Command
from clients.postgres import PostgresUnreachable
from clients.processes import process
from config.desired.maintenance import included_name
from config.errors import ConfigError, StepError
from config.rules.finding import judge
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.core.transient import transient
from tasks.platforms.pigsty.complete import Complete
from tasks.platforms.pigsty.pgsql import Cluster, Database, Files, Role
from tasks.platforms.pigsty.playbook import play
from tasks.platforms.pigsty.portal import Certificate, Entry
from tasks.platforms.pigsty.preflight import readings
from tasks.platforms.pigsty.redis import Instances
from tasks.platforms.pigsty.tree import require_tree
from tasks.steps.maintenance import close, is_read
from tasks.steps.pgsql import dify_database
from tasks.steps.table import PARTS
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import deploy, processes


@pytest.fixture(scope="module")
def site(double: PigstyDouble) -> Site:
    """An environment deployed there, up to what Dify's containers would be."""
    made = double.site(portal={"domain": "dify.pigsty"})
    text = (double.tree / "pigsty.yml").read_text()
    # Not the published default: what tasks print of it must not be seen.
    text = text.replace("grafana_admin_password: pigsty", "grafana_admin_password: Graf.Secret")
    (double.tree / "pigsty.yml").write_text(text)
    before = processes(double)
    changes = deploy(made)
    assert changes == [
        f"edit {double.tree}/pigsty.yml",
        "admit dbuser_dify in pg_hba.conf",
        "make role dbuser_dify and set its password",
        "make database dify",
        "make database dify_plugin",
        "make Redis cluster redis-dify",
        "issue the portal's certificate for dify.pigsty",
        "serve dify.pigsty",
        "name dify.pigsty in Pigsty's DNS",
    ]
    # Nobody else's server was restarted for it: only Redis is new.
    journal, (postgres, nginx, _) = processes(double)
    assert (postgres, nginx) == (before[1][0], before[1][1])
    assert journal == [*before[0], "started redis 6379"]
    return made


def other(site: Site, double: PigstyDouble, **sections: Any) -> Site:
    """The same environment with other settings and the same secrets."""
    made = double.site(**{"portal": {"domain": "dify.pigsty"}, **sections})
    return Site(made.environment, made.release, site.secrets)


def asked(site: Site, double: PigstyDouble, statement: str, database: str = "postgres") -> Any:
    """As the cluster's administrator."""
    host, port = site.environment.postgres.host, site.environment.postgres.port
    with psycopg.connect(host=host, port=port, user="dbuser_dba", password="DBUser.DBA",
                         dbname=database, autocommit=True) as connection:  # fmt: skip
        found = connection.execute(statement.encode())
        return found.fetchone() if found.description else None


def test_a_second_run_changes_nothing_and_restarts_nothing(site: Site, double: PigstyDouble):
    before = processes(double), (double.tree / "pigsty.yml").read_bytes()
    assert deploy(site) == []
    assert (processes(double), (double.tree / "pigsty.yml").read_bytes()) == before


def test_pigsty_yml_stays_its_owners_behind_his_link(site: Site, double: PigstyDouble):
    path, real = double.tree / "pigsty.yml", double.tree / "files/inventory.yml"
    path.rename(real)
    path.symlink_to("files/inventory.yml")
    os.chown(real, 1001, 1002)
    real.chmod(0o644)
    host = site.environment.redis.host
    larger = other(site, double, redis={"host": host, "port": 6379, "max_memory_mb": 96})
    try:
        for wanted in (larger, site):
            assert deploy(wanted, [PARTS["configure"]]) == [f"edit {path}"]
            found = real.stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1001, 1002, 0o640)
            assert path.readlink() == Path("files/inventory.yml")
        real.chmod(0o604)
        assert deploy(site, [PARTS["configure"]]) == [f"close {path} to others"]
        assert real.stat().st_mode & 0o777 == 0o600
    finally:
        os.chown(real, 0, 0)
        real.rename(path)


def test_a_password_in_group_vars_is_read_as_ansible_reads_it(site: Site, double: PigstyDouble):
    path, beside = double.tree / "pigsty.yml", double.tree / "group_vars/all/redis.yml"
    text, password = path.read_text(), site.secret("redis_password")
    line = next(line for line in text.splitlines(keepends=True) if "redis_password:" in line)
    beside.parent.mkdir(parents=True)
    beside.write_text(f"redis_password: {password}\n")
    path.write_text(text.replace(line, ""))
    try:
        assert deploy(site, [PARTS["configure"]]) == []
        beside.write_text("redis_password: another\n")
        with pytest.raises(ConfigError, match="is not the secret redis_password"):
            deploy(site, [PARTS["configure"]])
    finally:
        beside.unlink()
        beside.parent.rmdir()
        beside.parent.parent.rmdir()
        path.write_text(text)


def test_the_wrong_directory_is_an_error_though_pigsty_reports_success(site: Site, tmp_path: Path):
    tree = require_tree(site, "pgsql")
    command = tree.pgsql_user("pg-meta", "dbuser_dify")
    elsewhere = replace(command, words=(str(tree.home / "bin/pgsql-user"), *command.words[1:]))
    alone = replace(tree, home=tmp_path)
    with pytest.raises(StepError) as refused:
        play(site, "pgsql", alone, replace(elsewhere, cwd=str(tmp_path)))
    assert "no host took part" in str(refused.value)


def test_a_cluster_that_is_not_in_the_inventory_is_an_error(site: Site):
    tree = require_tree(site, "pgsql")
    with pytest.raises(StepError) as refused:
        play(site, "pgsql", tree, tree.pgsql_user("pg-none", "dbuser_dify"))
    assert "leaves us with no hosts to target" in str(refused.value)


def test_a_database_that_pgsql_db_did_not_make_is_an_error(site: Site, double: PigstyDouble):
    """Its owner is missing; the playbook goes on, says complete, and ends with 0."""
    names = {"user": "nobody_yet", "database": "orphan", "plugin_database": "orphan_plugin"}
    wanted = other(site, double, postgres={"host": double.addresses[0], **names})
    deploy(wanted, [PARTS["configure"]])
    part = Database(wanted, dify_database(wanted), ())
    with pytest.raises(StepError) as refused:
        converge(part)
    assert "still to do: make database orphan" in str(refused.value)
    assert "is role nobody_yet there?" in str(refused.value)


def test_an_extension_without_its_package_is_an_error_that_says_what_to_install(
    site: Site, double: PigstyDouble
):
    release = site.release
    needs = release.postgres.model_copy(update={"extensions": ["uuid-ossp", "vector", "postgis"]})
    wanted = Site(site.environment, release.model_copy(update={"postgres": needs}), site.secrets)
    deploy(wanted, [PARTS["configure"]])
    with pytest.raises(StepError) as refused:
        converge(Database(wanted, dify_database(wanted), tuple(needs.extensions)))
    assert "still to do: add extension postgis to dify" in str(refused.value)
    assert "-t pg_ext" in str(refused.value)


def test_a_grant_that_pgsql_user_did_not_make_is_seen_and_made(site: Site, double: PigstyDouble):
    """Before PostgreSQL 15 an owner may not create in public: what such a server has is made here.

    Whether the role got the grant that lets it, pgsql-user does not say.
    """
    asked(site, double, "ALTER SCHEMA public OWNER TO dbuser_dba", "dify")
    asked(site, double, "REVOKE ALL ON SCHEMA public FROM pg_database_owner", "dify")
    database = Database(site, dify_database(site), ())
    text = (double.tree / "pigsty.yml").read_text()
    try:
        with pytest.raises(StepError) as refused:
            converge(replace(database, settle_s=0))
        assert "still to do: let dbuser_dify create in schema public of dify" in str(refused.value)
        assert 'GRANT CREATE ON SCHEMA public TO "dbuser_dify"' in str(refused.value)
        entry = f"name: {site.environment.postgres.user}"
        assert text.count(entry) == 1
        granted = text.replace(entry, f"{entry}, roles: [dbrole_admin]")
        (double.tree / "pigsty.yml").write_text(granted)
        assert [c.what for c in converge(database).changes] == [
            "let dbuser_dify create in schema public of dify"
        ]
        assert not double.path("/pg/tmp/pg-user-dbuser_dify.sql").exists()
    finally:
        (double.tree / "pigsty.yml").write_text(text)
        asked(site, double, "ALTER SCHEMA public OWNER TO pg_database_owner", "dify")


def test_with_the_pooler_down_the_database_is_made_and_the_failure_said(
    site: Site, double: PigstyDouble, caplog: pytest.LogCaptureFixture
):
    """pgsql-db ends with 3 then, after it has done everything."""
    asked(site, double, "DROP DATABASE dify_plugin WITH (FORCE)")
    double.take_down("pgbouncer")
    try:
        with caplog.at_level(logging.INFO, "rollout"):
            converge(Database(site, dify_database(site, plugin=True), ("uuid-ossp",)))
    finally:
        double.put_back("pgbouncer")
    assert "done, but a task failed: reload pgbouncer" in caplog.text


def test_no_secret_is_in_the_log_though_tasks_print_them(
    site: Site, double: PigstyDouble, caplog: pytest.LogCaptureFixture
):
    asked(site, double, "DROP DATABASE dify_plugin WITH (FORCE)")
    asked(site, double, "ALTER ROLE dbuser_dify PASSWORD 'another'")
    with caplog.at_level(logging.INFO, "rollout"):
        assert deploy(site, [PARTS["pgsql"]]) == [
            "make role dbuser_dify and set its password",
            "make database dify_plugin",
        ]
    assert "pgsql: task 1: " in caplog.text and "PLAY RECAP" in caplog.text
    assert "curl -X POST -u" in caplog.text
    for secret in ("Graf.Secret", "DBUser.DBA", site.secret("postgres_password")):
        assert secret not in caplog.text


def test_the_password_pgsql_user_leaves_on_the_node_is_removed(site: Site, double: PigstyDouble):
    left = double.path("/pg/tmp/pg-user-dbuser_dify.sql")
    assert not left.exists()
    left.write_text("ALTER USER dbuser_dify PASSWORD 'x'")
    assert converge(Files(site, dify_database(site))).changes[0].what == (
        f"remove /pg/tmp/pg-user-dbuser_dify.sql on {double.addresses[0]}"
    )
    assert not left.exists()


def test_a_rule_that_was_lost_is_written_again_without_a_restart(site: Site, double: PigstyDouble):
    path, before = double.path("/pg/data/pg_hba.conf"), processes(double)
    path.write_text("".join(x for x in path.open() if "172.30.31.0/24" not in x))
    assert deploy(site, [PARTS["pgsql"]]) == ["admit dbuser_dify in pg_hba.conf"]
    assert "172.30.31.0/24" in path.read_text()
    assert processes(double) == before


def test_more_power_than_needed_is_an_error_with_the_sql(site: Site, double: PigstyDouble):
    asked(site, double, "ALTER ROLE dbuser_dify SUPERUSER CREATEDB")
    try:
        with pytest.raises(StepError) as refused:
            converge(Role(site, dify_database(site)))
    finally:
        asked(site, double, "ALTER ROLE dbuser_dify NOSUPERUSER NOCREATEDB")
    assert 'ALTER ROLE "dbuser_dify" NOSUPERUSER NOCREATEDB;' in str(refused.value)


def test_a_cluster_that_is_there_and_down_is_never_made_again(site: Site, double: PigstyDouble):
    pid, said = double.pid("postgres"), double.path("/patroni.json")
    assert pid
    os.kill(pid, signal.SIGINT)
    while process(pid):
        time.sleep(0.02)
    journal = double.journal()
    try:
        with pytest.raises(StepError) as refused:
            converge(Cluster(site, dify_database(site)))
        assert f"cluster pg-meta exists on {double.addresses[0]} and does not" in str(refused.value)
        assert transient(refused.value)
        said.write_text('{"role": "replica", "pause": true}')
        with pytest.raises(StepError, match="Patroni is paused on") as refused:
            converge(Cluster(site, dify_database(site)))
        assert "patronictl resume pg-meta" in str(refused.value)
        assert not transient(refused.value)
        assert double.journal() == journal
    finally:
        said.unlink(missing_ok=True)
        double.run("./pgsql.yml", "-l", "pg-meta", "-t", "pg_launch")
    assert deploy(site, [PARTS["pgsql"]]) == []


def test_a_cluster_whose_playbook_was_cut_off_is_finished_by_the_rest_of_it(
    site: Site, double: PigstyDouble
):
    """Only where the environment makes the cluster: somebody else's is not looked into."""
    address = double.addresses[0]
    ours = other(
        site, double, pigsty={**site.environment.pigsty.model_dump(), "pg_nodes": [address]}
    )
    assert converge(Complete(ours, dify_database(ours))).changes == ()
    for service in ("haproxy", "pg_exporter"):
        double.kill(service)
    before = double.pid("postgres"), double.pid("pgbouncer")
    (change,) = deploy(ours, [PARTS["pgsql"]])
    assert change == "finish PostgreSQL cluster pg-meta: HAProxy, pg_exporter"
    assert (double.pid("postgres"), double.pid("pgbouncer")) == before
    assert deploy(ours, [PARTS["pgsql"]]) == []
    asked(site, double, "DROP ROLE dbrole_readonly")
    assert deploy(ours, [PARTS["pgsql"]]) == [
        "finish PostgreSQL cluster pg-meta: the roles of Pigsty",
        f"remove /pg/tmp/pg-user-dbuser_dify.sql on {address}",
    ]
    assert (double.pid("postgres"), double.pid("pgbouncer")) == before


def test_a_cluster_that_nothing_leads_to_yet_is_finished_and_not_made_again(
    site: Site, double: PigstyDouble
):
    """A playbook makes HAProxy, by which Dify reaches the server, long after the server."""
    address, port = double.addresses[0], {"port": 5436}
    named, unnamed = (
        other(site, double, postgres=port, pigsty={"pg_nodes": nodes}) for nodes in ([address], [])
    )
    double.kill("haproxy")
    try:
        plans = [part.plan(part.observe()) for part in PARTS["pgsql"](named)]
        assert not plans[0]
        assert [change.what for change in plans[1]] == [
            "finish PostgreSQL cluster pg-meta: HAProxy"
        ]
        cluster = Cluster(unnamed, dify_database(unnamed))
        with pytest.raises(PostgresUnreachable, match=f"cluster pg-meta exists on {address} and"):
            cluster.observe()
    finally:
        double.run("./pgsql.yml", "-l", "pg-meta", "-t", "pg_service")
    assert deploy(site, [PARTS["pgsql"]]) == []


def test_without_a_leader_no_playbook_runs_and_the_reason_is_said(site: Site, double: PigstyDouble):
    said = double.path("/patroni.json")
    asked(site, double, "DROP DATABASE dify_plugin")
    try:
        said.write_text('{"role": "replica", "pause": true}')
        with pytest.raises(StepError) as refused:
            deploy(site, [PARTS["pgsql"]])
        where = double.addresses[0]
        why = (
            f"cluster pg-meta has no leader: Patroni is paused on {where}, so that none is elected"
        )
        assert str(refused.value).startswith(f"pgsql: {why}")
        assert "patronictl resume pg-meta" in str(refused.value)
        assert why in " ".join(str(reading.said) for reading in readings(site))
        said.write_text('{"role": "replica"}')
        timer = threading.Timer(2, said.unlink)
        timer.start()
        assert deploy(site, [PARTS["pgsql"]]) == ["make database dify_plugin"]
    finally:
        said.unlink(missing_ok=True)


def test_a_rule_that_opens_the_role_to_everybody_is_narrowed(site: Site, double: PigstyDouble):
    path, rules = double.tree / "pigsty.yml", double.path("/pg/data/pg_hba.conf")
    text, user = path.read_text(), site.environment.postgres.user
    opened = f"          - {{ user: {user}, db: all, addr: world, auth: pwd, title: recipe }}\n"
    at = "        pg_hba_rules:\n"
    assert text.count(at) == 1
    path.write_text(text.replace(at, at + opened))
    double.run("bin/pgsql-hba", "pg-meta")
    pigsty = {**site.environment.pigsty.model_dump(), "narrow_world": True}
    narrow = other(site, double, pigsty=pigsty)
    try:
        (said,) = [str(each.said) for each in readings(site) if each.probe == "pigsty.yml"]
        assert "its rule 'recipe' lets dbuser_dify into every database from every address" in said
        assert deploy(site, [PARTS["configure"], PARTS["pgsql"]]) == []
        assert deploy(narrow, [PARTS["configure"], PARTS["pgsql"]]) == [
            f"edit {path}",
            f"narrow from where {user} is let in",
        ]
        assert not [line for line in rules.read_text().splitlines()
                    if user in line and "0.0.0.0/0" in line]  # fmt: skip
        assert deploy(narrow, [PARTS["configure"], PARTS["pgsql"]]) == []
    finally:
        path.write_text(text)
        double.run("bin/pgsql-hba", "pg-meta")


def test_a_redis_that_is_there_and_down_is_never_made_again(site: Site, double: PigstyDouble):
    double.kill("redis-dify-1-6379")
    journal = double.journal()
    try:
        with pytest.raises(StepError) as refused:
            converge(Instances(site, "redis-dify"))
        assert "exists on" in str(refused.value) and "does not answer" in str(refused.value)
        assert "systemctl status redis-dify-1-6379.service there" in str(refused.value)
        assert double.journal() == journal
    finally:
        double.run("bin/redis-add", "redis-dify")


def test_a_redis_whose_playbook_was_cut_off_is_made_to_the_end(site: Site, double: PigstyDouble):
    """Killed before its unit was written; nothing was ever stored."""
    double.kill("redis-dify-1-6379")
    shutil.rmtree(double.path("/data/redis/redis-dify-1-6379"))
    double.path("/etc/systemd/system/redis-dify-1-6379.service").unlink()
    (change,) = converge(Instances(site, "redis-dify")).changes
    assert change.what == f"make Redis of redis-dify on {double.addresses[0]}"
    assert change.before.startswith("half made, no unit, no data: ")
    assert deploy(site, [PARTS["redis"]]) == []


def test_one_more_redis_restarts_no_neighbour(site: Site, double: PigstyDouble):
    path, address = double.tree / "pigsty.yml", double.addresses[0]
    text, pid = path.read_text(), double.pid("redis-dify-1-6379")
    known = next(line for line in text.splitlines() if "redis_instances" in line)
    assert "6379: {}" in known or "6379:" in text
    path.write_text(text.replace("6379: {}", "6379: {}, 6380: {}"))
    try:
        (change,) = converge(Instances(site, "redis-dify")).changes
        assert change.what == f"make Redis of redis-dify on {address}, port 6380"
        assert double.pid("redis-dify-1-6379") == pid
        assert double.pid("redis-dify-1-6380")
    finally:
        path.write_text(text)


def test_settings_of_redis_are_set_while_it_runs(site: Site, double: PigstyDouble):
    host, password = site.environment.redis.host, site.secret("redis_password")
    with client.Redis(host=host, password=password) as server:
        server.set("kept", "yes")
        server.config_set("maxmemory-policy", "allkeys-lru")
        before = processes(double)
        larger = other(site, double, redis={"host": host, "port": 6379, "max_memory_mb": 96})
        deploy(larger, [PARTS["configure"]])
        (change,) = deploy(larger, [PARTS["redis"]])
        assert change == f"set maxmemory, maxmemory-policy of Redis at {host}:6379"
        assert server.info("memory")["maxmemory_policy"] == "noeviction"
        assert server.get("kept") == b"yes"
    assert processes(double) == before
    assert "maxmemory 96MB" in double.path("/etc/redis/redis-dify-1-6379.conf").read_text()
    deploy(site, [PARTS["configure"], PARTS["redis"]])


def test_a_redis_with_another_password_is_not_taken_over(site: Site, double: PigstyDouble):
    stranger = double.site(portal={"domain": "dify.pigsty"})
    with pytest.raises(StepError) as refused:
        converge(Instances(stranger, "redis-dify"))
    assert "has another password" in str(refused.value)


def test_somebodys_bad_file_stops_us_before_nginx_notices(site: Site, double: PigstyDouble):
    bad, before = double.path("/etc/nginx/conf.d/zz.conf"), processes(double)
    entry = double.path(f"/etc/nginx/conf.d/{site.environment.dify.project}.conf")
    text = entry.read_text()
    bad.write_text("server { listen nonsense nonsense; }\n")
    entry.write_text(text.replace("server_name dify.pigsty", "server_name old.pigsty"))
    try:
        with pytest.raises(StepError) as refused:
            converge(Entry(site))
        assert "zz.conf:1: " in str(refused.value)
        assert "serves on" in str(refused.value)
        assert "old.pigsty" in entry.read_text(), "nothing was run"
    finally:
        bad.unlink()
    assert deploy(site, [PARTS["portal"]]) == ["serve dify.pigsty"]
    assert processes(double) == before


def test_the_portal_sends_headers_and_takes_good_ciphers_only(site: Site, double: PigstyDouble):
    """No Dify runs here: what nginx itself answers has the headers, too."""
    trust = ssl.create_default_context(cafile=str(double.tree / "files/pki/ca/ca.crt"))
    address, port = double.addresses[0], double.https_port

    def answered(host: str) -> httpx.Response:
        with httpx.Client(verify=trust) as client:
            extensions = {"sni_hostname": "dify.pigsty"}
            url = f"https://{address}:{port}/console/"
            return client.get(url, headers={"Host": host}, extensions=extensions)

    headers = answered("dify.pigsty").headers
    assert headers["strict-transport-security"] == "max-age=63072000"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    # Whoever asks for another name meets Pigsty's own pages.
    assert "x-content-type-options" not in answered("other.example").headers
    assert _agreed(double, "ECDHE-RSA-AES256-GCM-SHA384") == "ECDHE-RSA-AES256-GCM-SHA384"
    for weak in ("AES256-SHA256", "ECDHE-RSA-AES128-SHA256"):
        assert _agreed(double, weak) == ""


def test_the_entrys_directives_are_written_again(site: Site, double: PigstyDouble):
    entry = double.path(f"/etc/nginx/conf.d/{site.environment.dify.project}.conf")
    text = entry.read_text()
    entry.write_text(text.replace("add_header X-Content-Type-Options nosniff always;", ""))
    assert entry.read_text() != text
    assert deploy(site, [PARTS["portal"]]) == ["serve dify.pigsty"]
    assert entry.read_text() == text


def test_the_page_of_maintenance_is_shown_and_taken_away(site: Site, double: PigstyDouble):
    """Every request here comes from the portal's own machine; what others get is another test."""
    assert is_read(site) is False
    assert len(close(site).changes) == 1
    assert close(site).changes == () and is_read(site) is True
    assert deploy(site, [PARTS["portal"]]) == ["take away the page of maintenance at dify.pigsty"]
    assert deploy(site, [PARTS["portal"]]) == [] and is_read(site) is False
    assert not double.path(f"/etc/nginx/conf.d/{included_name(site.environment)}").exists()


def _agreed(double: PigstyDouble, cipher: str) -> str:
    """The cipher of a TLS 1.2 connection whose client knows only this one; empty: none."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(cipher)
    place = (double.addresses[0], double.https_port)
    try:
        with (
            socket.create_connection(place, timeout=10) as plain,
            client.wrap_socket(plain, server_hostname="dify.pigsty") as stream,
        ):
            return str((stream.cipher() or ("",))[0])
    except ssl.SSLError:
        return ""


def test_a_domain_that_came_later_gets_into_the_certificate(site: Site, double: PigstyDouble):
    before, authority = processes(double), (double.tree / "files/pki/ca/ca.crt").read_bytes()
    pair = double.tree / "files/pki/nginx/pigsty.crt"
    old = pair.read_bytes()
    later = other(site, double, portal={"domain": "later.pigsty"},
                  pigsty={"home": double.tree}, dify={"project": "later"})  # fmt: skip
    later = Site(_with(later, double), later.release, site.secrets)
    assert deploy(later, [PARTS["configure"], PARTS["portal"]])[1:] == [
        "issue the portal's certificate for later.pigsty",
        "serve later.pigsty",
    ]
    assert {"dify.pigsty", "later.pigsty"} <= _names(double, "later.pigsty")
    assert Path(f"{pair}.previous").read_bytes() == old
    assert (double.tree / "files/pki/ca/ca.crt").read_bytes() == authority
    assert processes(double) == before


def test_a_run_that_died_while_the_certificate_was_away_is_made_up_for(
    site: Site, double: PigstyDouble
):
    for name in ("pigsty.crt", "pigsty.key"):
        path = double.tree / "files/pki/nginx" / name
        path.rename(f"{path}.previous")
    assert deploy(site, [PARTS["portal"]]) == ["issue the portal's certificate for dify.pigsty"]
    assert "dify.pigsty" in _names(double, "dify.pigsty")


def test_a_certificate_that_cannot_be_issued_leaves_the_old_one(site: Site, double: PigstyDouble):
    """The playbook fails for want of the authority's key: both files are back where they were."""
    key = double.tree / "files/pki/ca/ca.key"
    pair = [double.tree / "files/pki/nginx" / name for name in ("pigsty.crt", "pigsty.key")]
    old = [path.read_bytes() for path in pair]
    wanted = Site(_with(other(site, double), double, domain="never.pigsty"), site.release,
                  site.secrets)  # fmt: skip
    key.rename(away := key.with_name("away"))
    try:
        with pytest.raises(StepError):
            converge(Certificate(wanted))
    finally:
        away.rename(key)
    assert [path.read_bytes() for path in pair] == old


def test_one_playbook_at_a_time(site: Site, double: PigstyDouble, caplog: pytest.LogCaptureFixture):
    asked(site, double, "DROP DATABASE dify_plugin WITH (FORCE)")
    lock = require_tree(site, "pgsql").lock()
    other_one = subprocess.Popen(["flock", str(lock), "sleep", "1.5"])
    time.sleep(0.2)
    began = time.monotonic()
    with caplog.at_level(logging.INFO, "rollout"):
        converge(Database(site, dify_database(site, plugin=True), ("uuid-ossp",)))
    other_one.wait()
    assert time.monotonic() - began > 1
    assert "waiting for another playbook" in caplog.text


def test_what_somebody_did_while_we_waited_is_not_done_again(
    site: Site, double: PigstyDouble, caplog: pytest.LogCaptureFixture
):
    """The other playbook makes the database: ours is not run at all."""
    asked(site, double, "DROP DATABASE dify_plugin WITH (FORCE)")
    lock = require_tree(site, "pgsql").lock()
    words = "sleep 0.7; bin/pgsql-db pg-meta dify_plugin"
    other_one = subprocess.Popen(["flock", str(lock), "sh", "-c", words], cwd=double.tree,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    time.sleep(0.2)
    with caplog.at_level(logging.INFO, "rollout"):
        converge(Database(site, dify_database(site, plugin=True), ("uuid-ossp",)))
    other_one.wait()
    assert "make database dify_plugin was done meanwhile" in caplog.text
    assert "PLAY" not in caplog.text


def test_a_playbook_that_hangs_is_ended_with_everything_it_started(site: Site):
    tree = require_tree(site, "pgsql")
    command = Command(("sh", "-c", "sleep 61.7 & sleep 61.7"), cwd=str(tree.home), timeout_s=0.5)
    with pytest.raises(StepError) as refused:
        play(site, "pgsql", tree, command)
    assert "no end within 0.5 s" in str(refused.value)
    words = ["pgrep", "-f", "sleep 61.7"]
    deadline = time.monotonic() + 30  # who is killed needs a moment to be gone
    while left := subprocess.run(words, capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pg_cluster": "pg-none", "pg_nodes": []}, "no cluster 'pg-none'"),
        ({"pg_version": 15}, "the version of a cluster is never changed in place"),
        ({"redis_cluster": "pg-meta"}, "pg-meta"),
    ],
)
def test_an_inventory_that_does_not_fit_is_refused_and_untouched(
    site: Site, double: PigstyDouble, settings: dict[str, Any], said: str
):
    wanted = Site(_with(other(site, double), double, **settings), site.release, site.secrets)
    before = (double.tree / "pigsty.yml").read_bytes()
    failed = [str(each) for each in map(judge, readings(wanted)) if each.bad]
    assert any(said in line for line in failed), failed
    with pytest.raises(ConfigError):
        deploy(wanted, [PARTS["configure"]])
    assert (double.tree / "pigsty.yml").read_bytes() == before


def test_a_broken_inventory_is_refused_with_its_line(site: Site, double: PigstyDouble):
    path = double.tree / "pigsty.yml"
    text = path.read_text()
    path.write_text(text.replace("  vars:", "\tvars:", 1))
    try:
        failed = [str(each) for each in map(judge, readings(site)) if each.bad]
        assert len(failed) == 1
        assert "a tab indents the line" in failed[0] and "nothing was changed" in failed[0]
    finally:
        path.write_text(text)


def test_a_machine_that_is_not_reached_or_gives_no_root_is_found_before_anything_changes(
    site: Site, double: PigstyDouble
):
    double.kill("redis-dify-1-6379")
    double.take_sudo()
    try:
        failed = [str(each) for each in map(judge, readings(site)) if each.bad]
    finally:
        double.give_sudo()
        double.run("bin/redis-add", "redis-dify")
    assert failed == [
        f"machine {double.addresses[0]}: Ansible runs nothing on {double.addresses[0]}: "
        "Missing sudo password\n  do: let the user Ansible logs in as become root by sudo without "
        "a password there"
    ]


def _with(site: Site, double: PigstyDouble, domain: str = "", **pigsty: Any) -> Any:
    """The site's environment with these keys of [pigsty], and another domain."""
    environment = site.environment
    section = environment.pigsty.model_copy(update=pigsty)
    portal = environment.portal.model_copy(update={"domain": domain} if domain else {})
    return environment.model_copy(update={"pigsty": section, "portal": portal})


def _names(double: PigstyDouble, domain: str) -> set[str]:
    """Every name of the certificate that nginx presents to who asks for the domain."""
    trust = ssl.create_default_context(cafile=str(double.tree / "files/pki/ca/ca.crt"))
    place = (double.addresses[0], double.https_port)
    with (
        socket.create_connection(place, timeout=5) as plain,
        trust.wrap_socket(plain, server_hostname=domain) as stream,
    ):
        return {str(value) for _, value in (stream.getpeercert() or {})["subjectAltName"]}
