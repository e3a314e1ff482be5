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
    servers = {(each["repo-key"], each["id"]) for each in stanza["db"]}
    for each in stanza["backup"]:
        assert (each["database"]["repo-key"], each["database"]["id"]) in servers
    return stanza["backup"]


def test_the_cluster_has_a_full_backup_from_the_start(pigsty):
    first, *_ = backups(pigsty)
    assert first["type"] == "full" and first["label"].endswith("F")
    assert "/" in first["lsn"]["stop"] and first["timestamp"]["stop"] <= time.time() + 2
    assert first["archive"]["stop"][:8] == "00000001"


def test_pg_backup_adds_an_incremental_one(pigsty):
    before = len(backups(pigsty))
    asked(pigsty, "/pg/bin/pg-backup", "incr")
    newest = backups(pigsty)[-1]
    assert len(backups(pigsty)) == before + 1
    assert newest["type"] == "incr" and newest["label"].endswith("I")


def moment(pigsty):
    """The time of now, as the playbook takes it."""
    return {"time": pigsty.sql("SELECT clock_timestamp()::timestamptz(3)")}


def named(pigsty):
    """A restore point of now, and the physical backup before it."""
    goal = {"name": f"named-{time.time():.0f}", "set": backups(pigsty)[-1]["label"]}
    pigsty.sql(f"SELECT pg_create_restore_point('{goal['name']}')")
    return goal


def went_back(pigsty, *ways, set_goal=moment):
    """How many rows are there after two were written, and the playbook went between them."""
    pigsty.sql("DROP TABLE IF EXISTS went")
    pigsty.sql("CREATE TABLE went AS SELECT 1 AS number")
    time.sleep(3)
    goal = set_goal(pigsty)
    pigsty.sql("INSERT INTO went VALUES (2)")
    if "name" in goal:
        asked(pigsty, "/pg/bin/pg-backup", "incr")
    pigsty.sql("SELECT pg_switch_wal()")
    time.sleep(3)
    for words, more in ways:
        target = json.dumps({"pg_pitr": {**goal, **more}})
        done = pigsty.run("./pgsql-pitr.yml", "-l", "pg-meta", *words, "-e", target)
        assert done.status == 0, done
        assert done.hosts[pigsty.address]["failed"] == 0
        time.sleep(2 if "pitr" in words else 0)
    assert pigsty.sql("SELECT pg_is_in_recovery()") == "f"
    return pigsty.sql("SELECT count(*) FROM went")


def test_the_playbook_in_one_go_misses_the_moment(pigsty):
    """Patroni gets the server while that pauses there, and replays what is left."""
    assert went_back(pigsty, ((), {})) == "2"


STAGES = [(("-t", stage), {"action": "promote"}) for stage in ("down", "pitr", "up")]


def test_stage_by_stage_the_cluster_goes_back_to_a_moment(pigsty):
    assert went_back(pigsty, *STAGES) == "1"


def test_it_goes_back_to_a_restore_point_by_name_from_a_backup_before_it(pigsty):
    """Without `set` it would begin with the newest backup, which is newer than the point."""
    assert went_back(pigsty, *STAGES, set_goal=named) == "1"
