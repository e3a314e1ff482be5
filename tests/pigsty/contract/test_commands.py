"""Pigsty's commands: arguments, exit statuses and what Ansible prints, right or wrong."""

import pytest

COMPLETE = "complete"
NO_HOSTS = "ERROR! Specified inventory, host pattern and/or --limit leaves us with no hosts"
COUNTS = {"ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored"}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("bin/pgsql-add",), 1),
        (("bin/pgsql-user",), 1),
        (("bin/pgsql-user", "pg-meta"), 2),
        (("bin/pgsql-user", "pg-meta", "nosuch"), 3),
        (("bin/pgsql-db",), 1),
        (("bin/pgsql-db", "pg-meta"), 2),
        (("bin/pgsql-db", "pg-meta", "nosuch"), 3),
        (("bin/pgsql-hba",), 1),
        (("bin/pgsql-hba", "pg-meta", "nonsense"), 3),
        (("bin/redis-add",), 1),
        (("bin/redis-add", "redis-lab", "6379"), 3),
        (("bin/redis-add", "10.0.0.1", "80"), 3),
        (("bin/pgsql-add", "nosuch"), 2),
        (("bin/pgsql-hba", "nosuch"), 2),
        (("bin/redis-add", "nosuch"), 2),
        (("./redis.yml", "-l", "nosuch"), 1),
        (("./infra.yml", "--nonsense"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_exit_statuses(pigsty, words, status):
    assert pigsty.run(*words).status == status


def test_a_cluster_nobody_knows_is_refused_before_any_play(pigsty):
    done = pigsty.run("bin/pgsql-add", "nosuch")
    assert NO_HOSTS in done.text
    assert not done.hosts and "PLAY [" not in done.text


def test_from_another_directory_nothing_happens_and_all_is_well(pigsty, tmp_path):
    pigsty.cluster(pg_users=[{"name": "elsewhere", "password": "x"}])
    done = pigsty.run("bin/pgsql-user", "pg-meta", "elsewhere", cwd=tmp_path)
    assert done.status == 0 and COMPLETE in done.text
    assert "skipping: no hosts matched" in done.text and not done.hosts
    assert pigsty.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'elsewhere'") == "0"


def test_a_broken_inventory_counts_as_none(pigsty):
    (pigsty.tree / "pigsty.yml").write_text("all: {children: [\n")
    done = pigsty.run("bin/pgsql-hba", "pg-meta")
    assert done.status == 0 and COMPLETE in done.text
    assert "Unable to parse" in done.text and not done.hosts


def test_a_machine_that_is_not_there(pigsty):
    own = {"pg_seq": 1, "pg_role": "primary"}
    users = [{"name": "someone"}]
    pigsty.group("away", pigsty.nobody, own, pg_cluster="away", pg_users=users, pg_databases=[])
    done = pigsty.run("bin/pgsql-user", "away", "someone")
    assert done.status == 3
    assert f"fatal: [{pigsty.nobody}]: UNREACHABLE! => " in done.text
    assert done.hosts[pigsty.nobody]["unreachable"] == 1
    assert pigsty.run("./pgsql-user.yml", "-l", "away", "-e", "username=someone").status == 4


def test_without_sudo_the_first_task_as_root_fails(pigsty):
    pigsty.take_sudo()
    try:
        done = pigsty.run("bin/pgsql-hba", "pg-meta")
    finally:
        pigsty.give_sudo()
    assert done.status == 2
    assert "Missing sudo password" in done.text
    assert done.hosts[pigsty.address]["failed"] == 1


def test_tasks_are_announced_and_counted(pigsty):
    done = pigsty.run("bin/pgsql-hba", "pg-meta")
    assert done.status == 0
    assert "\nPLAY [PGSQL] ****" in done.text and "\nTASK [" in done.text
    counts = done.hosts[pigsty.address]
    assert counts["ok"] > 0 and counts["changed"] > 0
    assert counts.keys() == COUNTS


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("echo a b", "| CHANGED | rc=0 | (stdout) a b"),
        (r"printf one\\ntwo", r"| CHANGED | rc=0 | (stdout) one\ntwo"),
        ("ls /nosuch", "| FAILED! => {"),
        ("nosuchprogram", "No such file or directory: b'nosuchprogram'"),
    ],
)
def test_one_command_on_one_machine(pigsty, command, answer):
    become = ("--become", "--become-user", "root")
    words = ("--module-name", "command", "--args", command, "--one-line")
    done = pigsty.run("ansible", pigsty.address, *become, *words)
    assert answer in done.text
    assert done.status == (2 if "FAILED" in done.text else 0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, ""),
        ({"addr": "no.such.name"}, "has invalid value: no.such.name"),
        ({"db": None}, "missing 'db' field"),
    ],
)
def test_validate_looks_at_rules(pigsty, change, complaint):
    usual = {"user": "x", "db": "all", "addr": "intra", "auth": "pwd", "title": "x"}
    rule = {name: value for name, value in {**usual, **change}.items() if value}
    pigsty.cluster(pg_hba_rules=[rule])
    done = pigsty.run("bin/validate")
    assert done.status == (1 if complaint else 0)
    assert complaint in done.text


def test_validate_looks_at_the_admin_nodes_address(pigsty):
    pigsty.common(admin_ip="nonsense")
    assert pigsty.run("bin/validate").status == 1


def test_validate_does_not_look_at_the_portal(pigsty):
    pigsty.portal(app={"domain": 7})
    assert pigsty.run("bin/validate").status == 0
