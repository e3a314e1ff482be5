"""pgsql-pitr.yml: the real PostgreSQL of a machine goes back in time, from backup and archive."""

import shutil
import time
from datetime import datetime
from typing import Any

from engine.pgbackrest import ARCHIVE, BACKUPS, read
from engine.play import CHANGED, OK, SKIPPED, Done, Failed, Task
from engine.postgres import data, port, running, sql, start, stop
from engine.world import Host, answers, run

RECOVERY = ("recovery_target_time", "recovery_target_name", "recovery_target_action",
            "restore_command")  # fmt: skip


def tasks(given: dict[str, Any]) -> list[Task]:
    wanted = given.get("pg_pitr")
    if not isinstance(wanted, dict):
        return []
    return [
        Task("pg_pitr : print pgbackrest restore command", lambda _: OK, ("print", "always")),
        Task("pg_pitr : pause patroni ha", lambda _: CHANGED, ("down", "pause")),
        Task("pg_pitr : force stop postgres if still running", _stop, ("down", "stop")),
        Task("pg_pitr : run pgbackrest restore", lambda host: _restore(host, wanted),
             ("pitr", "restore")),
        Task("pg_pitr : wait for wal replay to recovery target", _recover, ("pitr", "recovery")),
        Task("pg_pitr : launch patroni primary", _launch, ("up", "start")),
        Task("pg_pitr : check postgres primary ready", _ready, ("up", "start")),
        Task("pg_pitr : resume patroni ha", lambda _: CHANGED, ("up", "resume")),
    ]  # fmt: skip


def _stop(host: Host) -> Done:
    stop(host)
    return CHANGED


def _restore(host: Host, wanted: dict[str, Any]) -> Done:
    """The backup named; without a name the newest before the moment, or of all. None is checked for
    being of what was undone: what begins with such a one fails when it recovers."""
    known = read(host.root)
    moment, name = str(wanted.get("time", "")), str(wanted.get("name", ""))
    if given := wanted.get("set"):
        known = [row for row in known if row["label"] == given]
    if moment:
        limit = int(datetime.fromisoformat(moment).timestamp())
        known = [row for row in known if given or row["timestamp"]["stop"] < limit]
    if not known:
        raise Failed("non-zero return code", rc=75, stderr="ERROR: [075]: no backup set found")
    shutil.rmtree(data(host))
    words = ("cp", "--archive", host.root / BACKUPS / known[-1]["label"], data(host))
    assert run(words).returncode == 0
    values = {"restore_command": f"cp {host.root / ARCHIVE}/%f %p",
              "recovery_target_action": str(wanted.get("action", "pause"))}  # fmt: skip
    if moment:
        values["recovery_target_time"] = moment
    if name:
        values["recovery_target_name"] = name
    with (data(host) / "postgresql.auto.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in values.items())
    signal = data(host) / "recovery.signal"
    signal.touch()
    shutil.chown(signal, host.world.user)
    return CHANGED


def _recover(host: Host) -> Done:
    """Done as soon as it can be asked, wherever it is by then."""
    start(host)
    return CHANGED


def _launch(host: Host) -> Done:
    """Patroni starts it anew without the target: what still recovers goes on to the very end."""
    stop(host)
    conf = data(host) / "postgresql.auto.conf"
    ours = tuple(name for name in RECOVERY if name != "restore_command")
    conf.write_text("".join(line for line in conf.read_text().splitlines(keepends=True)
                            if not line.startswith(ours)))  # fmt: skip
    start(host)
    deadline = time.monotonic() + 60
    while sql(host, "SELECT pg_is_in_recovery()").stdout.strip() != "f":
        if time.monotonic() > deadline or not running(host):
            raise Failed("Timeout when waiting for search string", elapsed=60)
        time.sleep(0.1)
    sql(host, "ALTER SYSTEM RESET restore_command")
    return CHANGED


def _ready(host: Host) -> Done:
    host.note(f"went back postgres {port(host)}")
    return OK if answers(host.name, port(host), 30) else SKIPPED
