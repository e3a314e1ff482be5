"""Physical backups, and the whole cluster going back to a moment."""

import json
import shlex
import time


def asked(pigsty, *words, user="postgres"):
    """What one program on the machine prints, asked through Ansible as this project does."""
    become = ("--become", "--become-user", user, "--module-name", "command")
    done = pigsty.run("ansible", pigsty.address, *become, "--args", shlex.join(words), "--one-line")
    assert done.status == 0, done
    return done.text.partition("(stdout) ")[2].strip()


def backups(pigsty):
    words = ("pgbackrest", "--stanza=pg-meta", "--output=json", "info")
    (stanza,) = json.loads(asked(pigsty, *words))
    assert stanza["name"] == "pg-meta" and stanza["status"]["code"] == 0
    return stanza["backup"]


def test_the_cluster_has_a_full_backup_from_the_start(pigsty):
    first, *_ = backups(pigsty)
    assert first["type"] == "full" and first["label"].endswith("F")
    assert "/" in first["lsn"]["stop"] and first["timestamp"]["stop"] <= time.time() + 2


def test_pg_backup_adds_an_incremental_one(pigsty):
    before = len(backups(pigsty))
    asked(pigsty, "/pg/bin/pg-backup", "incr")
    newest = backups(pigsty)[-1]
    assert len(backups(pigsty)) == before + 1
    assert newest["type"] == "incr" and newest["label"].endswith("I")


def test_the_cluster_goes_back_to_a_moment(pigsty):
    pigsty.sql("CREATE TABLE went AS SELECT 1 AS number")
    time.sleep(3)
    moment = pigsty.sql("SELECT clock_timestamp()::timestamptz(3)")
    pigsty.sql("INSERT INTO went VALUES (2)")
    pigsty.sql("SELECT pg_switch_wal()")
    time.sleep(3)
    target = json.dumps({"pg_pitr": {"time": moment}})
    done = pigsty.run("./pgsql-pitr.yml", "-l", "pg-meta", "-e", target)
    assert done.status == 0, done
    assert done.hosts[pigsty.address]["failed"] == 0
    assert pigsty.sql("SELECT count(*) FROM went") == "1"
    assert pigsty.sql("SELECT pg_is_in_recovery()") == "f"
    pigsty.sql("DROP TABLE went")
