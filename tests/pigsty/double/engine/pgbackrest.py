"""pgBackRest on a machine: an archive of WAL and physical backups, of the real PostgreSQL there.

As a program it is asked as this project asks it: `info`, and `backup` through pg-backup.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.play import CHANGED, OK, SKIPPED, Done, Failed
from engine.world import Host, run

ARCHIVE, BACKUPS, CATALOG = "data/backups/archive", "data/backups/backup", "data/backups/info.json"


# On the machine


def settings(host: Host) -> dict[str, str]:
    """What postgresql.conf gets; without pgBackRest there is no archive."""
    if not enabled(host):
        return {}
    folder = host.root / ARCHIVE
    folder.mkdir(parents=True, exist_ok=True)
    (host.root / BACKUPS).mkdir(parents=True, exist_ok=True)
    for path in (folder, host.root / BACKUPS, folder.parent):
        shutil.chown(path, host.world.user)
    return {"archive_mode": "on", "archive_command": f"cp %p {folder}/%f"}


def enabled(host: Host) -> bool:
    return bool(host.get("pgbackrest_enabled", True))


def install(host: Host) -> Done:
    """The programs, and the first full backup."""
    stanza = host.get("pg_cluster")
    script = f'#!/bin/sh\nexec pgbackrest --stanza={stanza} --type="${{1:-incr}}" backup\n'
    host.write("/pg/bin/pg-backup", script, 0o755)
    if not enabled(host):
        return SKIPPED
    _catalog(host.root).parent.mkdir(parents=True, exist_ok=True)
    if read(host.root):
        return OK
    take(host.root, host.world.programs, host.path("/pg/run"), host.port("pg_port", 5432), "full",
         host.world.user)  # fmt: skip
    return CHANGED


def forget(host: Host) -> None:
    """Nothing of a cluster that was there before is left."""
    shutil.rmtree(host.path("/data/backups"), ignore_errors=True)


def read(root: Path) -> list[dict[str, Any]]:
    path = _catalog(root)
    return json.loads(path.read_text()) if path.exists() else []


def take(
    root: Path, programs: Path, socket: Path, number: int, kind: str, user: str | None = None
) -> str:
    """A base backup; an incremental one is as whole, and is only called otherwise."""
    known, began = read(root), int(time.time())
    stamp = datetime.fromtimestamp(began, UTC).strftime("%Y%m%d-%H%M%S")
    last = next((row["label"] for row in reversed(known) if row["type"] == "full"), "")
    label = f"{last}_{stamp}I" if kind == "incr" and last else f"{stamp}F"
    target = root / BACKUPS / label
    words = (programs / "bin/pg_basebackup", "-h", socket, "-p", str(number), "-U", "postgres",
             "-D", target, "--checkpoint=fast", "--wal-method=none", "--no-sync")  # fmt: skip
    done = run(words, user)
    if done.returncode != 0:
        raise Failed(f"ERROR: [058]: {done.stderr.strip()}", rc=58)
    begun = next(
        line for line in (target / "backup_label").read_text().splitlines() if "START WAL" in line
    )
    # START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
    lsn, segment = begun.split()[3], begun.split()[-1].strip(")")
    row = {"label": label, "type": "incr" if label.endswith("I") else "full", "error": False,
           "archive": {"start": segment, "stop": segment}, "database": {"id": 1, "repo-key": 1},
           "lsn": {"start": lsn, "stop": lsn},
           "timestamp": {"start": began, "stop": int(time.time())}}  # fmt: skip
    _catalog(root).write_text(json.dumps([*known, row]))
    return label


def _catalog(root: Path) -> Path:
    return root / CATALOG


# As a program


def main() -> int:
    parser = argparse.ArgumentParser("pgbackrest", allow_abbrev=False)
    parser.add_argument("--stanza", required=True)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    parser.add_argument("--type", choices=["full", "diff", "incr"], default="incr")
    parser.add_argument("command", choices=["info", "backup"])
    given = parser.parse_args()
    root = Path(os.environ["DOUBLE_ROOT"])
    known = read(root)
    if given.command == "info":
        status = {"code": 0, "message": "ok"} if known else {
            "code": 1, "message": "missing stanza path"}  # fmt: skip
        servers = [{"id": 1, "repo-key": 1, "version": "16"}] if known else []
        stanza = {"name": given.stanza, "backup": known, "db": servers, "status": status}
        print(json.dumps([stanza]))
        return 0
    if not known:
        print(f"ERROR: [055]: no stanza {given.stanza}", file=sys.stderr)
        return 55
    programs = Path(subprocess.check_output(("which", "pg_basebackup"), text=True)).parent.parent
    try:
        number = int(os.environ["PGPORT"])
        user = os.environ["DOUBLE_USER"] or None
        take(root, programs, Path(os.environ["PGHOST"]), number, given.type, user)
    except Failed as error:
        print(str(error), file=sys.stderr)
        return 58
    return 0


if __name__ == "__main__":
    sys.exit(main())
