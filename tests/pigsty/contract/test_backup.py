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


def went_back(pigsty, *ways):
    """How many rows are there after two were written, and the playbook went between them."""
    pigsty.sql("DROP TABLE IF EXISTS went")
    pigsty.sql("CREATE TABLE went AS SELECT 1 AS number")
    time.sleep(3)
    moment = pigsty.sql("SELECT clock_timestamp()::timestamptz(3)")
    pigsty.sql("INSERT INTO went VALUES (2)")
    pigsty.sql("SELECT pg_switch_wal()")
    time.sleep(3)
    for words, more in ways:
        target = json.dumps({"pg_pitr": {"time": moment, **more}})
        done = pigsty.run("./pgsql-pitr.yml", "-l", "pg-meta", *words, "-e", target)
        assert done.status == 0, done
        assert done.hosts[pigsty.address]["failed"] == 0
        time.sleep(2 if "pitr" in words else 0)
    assert pigsty.sql("SELECT pg_is_in_recovery()") == "f"
    return pigsty.sql("SELECT count(*) FROM went")


def test_the_playbook_in_one_go_misses_the_moment(pigsty):
    """Patroni gets the server while that pauses there, and replays what is left."""
    assert went_back(pigsty, ((), {})) == "2"


def test_stage_by_stage_the_cluster_goes_back_to_a_moment(pigsty):
    stages = (("-t", stage) for stage in ("down", "pitr", "up"))
    assert went_back(pigsty, *((words, {"action": "promote"}) for words in stages)) == "1"
