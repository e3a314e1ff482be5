"""pgBackRest as Pigsty sets it up on a cluster's machines: words out, parsed facts in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.tools.wal import History, place, timeline_of

INCREMENTAL = ("/pg/bin/pg-backup", "incr")


@dataclass(frozen=True, slots=True)
class Physical:
    """A backup of the whole cluster: recovery that begins with it leads to what came later.

    `stop`: the second in which it ended; `place`: where in the WAL of its `timeline`.
    """

    label: str
    stop: datetime
    timeline: int
    place: int


@dataclass(frozen=True, slots=True)
class Stanza:
    """The backups of a cluster, oldest first. `trouble`: why there can be none."""

    backups: tuple[Physical, ...]
    trouble: str = ""

    def within(self, history: History) -> "Stanza":
        """Without the backups of what was undone: from those no way leads to what is now."""
        backups = tuple(each for each in self.backups if history.has(each.timeline, each.place))
        undone = "the cluster went back to before its physical backups"
        return Stanza(backups, undone if self.backups and not backups else self.trouble)


def info(stanza: str) -> tuple[str, ...]:
    return ("pgbackrest", f"--stanza={stanza}", "--output=json", "info")


def parse_info(text: str, stanza: str) -> Stanza:
    """What `pgbackrest info --output=json` says of one stanza.

    Whole backups only, with the WAL of their time, and of the PostgreSQL that runs: an upgrade of
    its major version counts timelines anew.
    """
    rows: Sequence[Mapping[str, Any]] = json.loads(text)
    found = next((row for row in rows if row["name"] == stanza), None)
    if found is None:
        return Stanza((), f"no stanza {stanza}")
    running = {each["repo-key"]: each["id"] for each in found.get("db", ())}
    backups = [
        Physical(
            str(row["label"]),
            datetime.fromtimestamp(row["timestamp"]["stop"], UTC),
            timeline_of(row["archive"]["stop"]),
            place(row["lsn"]["stop"]),
        )
        for row in found.get("backup", ())
        if not row.get("error") and row.get("lsn")
        if running[row["database"]["repo-key"]] == row["database"]["id"]
    ]
    backups.sort(key=lambda backup: backup.stop)
    trouble = "" if backups else str(found["status"]["message"])
    return Stanza(tuple(backups), trouble)
