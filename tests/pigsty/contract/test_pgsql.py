"""Roles, databases, rules and the cluster itself."""


def test_a_role_is_made_and_its_password_left_in_a_file(pigsty):
    role = {"name": "reader", "password": "Reader.1", "pgbouncer": True}
    pigsty.cluster(pg_users=[{**role, "roles": ["dbrole_readonly"]}])
    done = pigsty.run("bin/pgsql-user", "pg-meta", "reader")
    assert done.status == 0 and done.hosts[pigsty.address]["failed"] == 0
    assert pigsty.logs_in("reader", "Reader.1")
    assert "Reader.1" in (pigsty.read("/pg/tmp/pg-user-reader.sql") or "")
    assert pigsty.mode("/pg/tmp/pg-user-reader.sql") == 0o640
    assert "Reader.1" not in done.text
    listed = pigsty.read("/etc/pgbouncer/userlist.txt") or ""
    assert "SCRAM-SHA-256" in listed and "reader" in listed and "Reader.1" not in listed


def test_a_role_made_again_gets_the_new_password_and_keeps_its_powers(pigsty):
    role = {"name": "again", "roles": ["dbrole_readonly"]}
    pigsty.cluster(pg_users=[{**role, "password": "Old.1", "superuser": True}])
    assert pigsty.run("bin/pgsql-user", "pg-meta", "again").status == 0

    def change(tree):
        tree["children"]["pg-meta"]["vars"]["pg_users"][-1] = {**role, "password": "New.1"}

    pigsty.edit(change)
    assert pigsty.run("bin/pgsql-user", "pg-meta", "again").status == 0
    assert pigsty.logs_in("again", "New.1") and not pigsty.logs_in("again", "Old.1")
    assert pigsty.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'again'") == "t"


def test_without_pgbouncer_the_role_is_made_and_the_command_fails(pigsty):
    pigsty.cluster(pg_users=[{"name": "pooled", "password": "Pooled.1", "pgbouncer": True}])
    pigsty.break_pooler()
    try:
        done = pigsty.run("bin/pgsql-user", "pg-meta", "pooled")
    finally:
        pigsty.mend_pooler()
    assert done.status == 3 and done.hosts[pigsty.address]["failed"] == 1
    assert pigsty.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'pooled'") == "1"
    assert pigsty.run("bin/pgsql-user", "pg-meta", "pooled").status == 0


def test_a_database_with_its_extension(pigsty):
    database = {"name": "vectors", "owner": "dbuser_meta", "extensions": [{"name": "vector"}]}
    pigsty.cluster(pg_databases=[database])
    assert pigsty.run("bin/pgsql-db", "pg-meta", "vectors").status == 0
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'vectors'"
    assert pigsty.sql(owner) == "dbuser_meta"
    assert pigsty.sql("SELECT extname FROM pg_extension WHERE extname = 'vector'", "vectors")
    assert pigsty.run("bin/pgsql-db", "pg-meta", "vectors").status == 0


def test_a_missing_extension_is_not_mentioned(pigsty):
    database = {"name": "lacking", "owner": "dbuser_meta", "extensions": [{"name": "pgvector"}]}
    pigsty.cluster(pg_databases=[database])
    done = pigsty.run("bin/pgsql-db", "pg-meta", "lacking")
    assert done.status == 0 and "complete" in done.text
    assert pigsty.sql("SELECT count(*) FROM pg_database WHERE datname = 'lacking'") == "1"
    query = "SELECT count(*) FROM pg_extension WHERE extname LIKE '%vector'"
    assert pigsty.sql(query, "lacking") == "0"


def test_without_its_owner_no_database_is_made_and_the_command_is_content(pigsty):
    pigsty.cluster(pg_databases=[{"name": "orphan", "owner": "nobody_there"}, {"name": "later"}])
    done = pigsty.run("bin/pgsql-db", "pg-meta", "orphan")
    assert done.status == 0 and "complete" in done.text
    assert "...ignoring" in done.text and done.hosts[pigsty.address]["ignored"] >= 1
    assert pigsty.sql("SELECT count(*) FROM pg_database WHERE datname = 'orphan'") == "0"
    pooled = pigsty.read("/etc/pgbouncer/database.txt") or ""
    assert "orphan" in pooled and "later" in pooled, "the pooler is told of what does not exist"


def test_monitoring_that_is_not_there_prints_its_password(pigsty):
    pigsty.common(grafana_admin_password="Grafana.Secret")
    done = pigsty.run("bin/pgsql-db", "pg-meta", "meta")
    assert done.status == 0 and done.hosts[pigsty.address]["ignored"] >= 1
    assert "admin:Grafana.Secret" in done.text


def test_rules_are_written_in_order_and_read(pigsty):
    pigsty.cluster(
        pg_users=[{"name": "ruled", "password": "Ruled.1"}],
        pg_hba_rules=[
            {"user": "ruled", "db": "all", "addr": "world", "auth": "pwd", "title": "all of it"},
            {"user": "ruled", "db": "meta", "addr": "0.0.0.0/0", "auth": "deny", "order": 1},
        ],
    )
    assert pigsty.run("bin/pgsql-user", "pg-meta", "ruled").status == 0
    assert pigsty.run("bin/pgsql-hba", "pg-meta").status == 0
    lines = [line.split() for line in (pigsty.read("/pg/data/pg_hba.conf") or "").splitlines()]
    deny = ["host", "meta", "ruled", "0.0.0.0/0", "reject"]
    admit = ["host", "all", "ruled", "0.0.0.0/0", "scram-sha-256"]
    assert lines.index(deny) < lines.index(admit)
    assert pigsty.logs_in("ruled", "Ruled.1") and not pigsty.logs_in("ruled", "Ruled.1", "meta")


def test_an_address_it_does_not_know_leaves_the_rules_as_they_are(pigsty):
    pigsty.cluster(pg_hba_rules=[{"user": "x", "db": "all", "addr": "db.example.com"}])
    before = pigsty.read("/pg/data/pg_hba.conf")
    done = pigsty.run("bin/pgsql-hba", "pg-meta")
    assert done.status == 2
    assert "[ERROR] invalid addr name: db.example.com" in done.text
    assert pigsty.read("/pg/data/pg_hba.conf") == before


def test_a_cluster_made_again_keeps_its_data_and_restarts(pigsty):
    pigsty.sql("CREATE TABLE IF NOT EXISTS kept (n int)", "meta")
    before = pigsty.postgres_started()
    done = pigsty.run("bin/pgsql-add", "pg-meta")
    assert done.status == 0
    assert pigsty.postgres_started() != before
    assert pigsty.sql("SELECT count(*) FROM kept", "meta") == "0"
