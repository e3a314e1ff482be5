"""pgBackRest as Pigsty sets it up on a cluster's machines: words out, parsed facts in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

INCREMENTAL = ("/pg/bin/pg-backup", "incr")


@dataclass(frozen=True, slots=True)
class Physical:
    """A backup of the whole cluster: it can be taken back to any time from `stop` on."""

    label: str
    stop: datetime
    lsn: str


@dataclass(frozen=True, slots=True)
class Stanza:
    """The backups of a cluster, oldest first. `trouble`: why there can be none."""

    backups: tuple[Physical, ...]
    trouble: str = ""


def info(stanza: str) -> tuple[str, ...]:
    return ("pgbackrest", f"--stanza={stanza}", "--output=json", "info")


def parse_info(text: str, stanza: str) -> Stanza:
    """What `pgbackrest info --output=json` says of one stanza; whole backups only."""
    rows: Sequence[Mapping[str, Any]] = json.loads(text)
    found = next((row for row in rows if row["name"] == stanza), None)
    if found is None:
        return Stanza((), f"no stanza {stanza}")
    backups = [
        Physical(
            str(row["label"]),
            datetime.fromtimestamp(row["timestamp"]["stop"], UTC),
            str(row["lsn"]["stop"]),
        )
        for row in found.get("backup", ())
        if not row.get("error")
    ]
    backups.sort(key=lambda backup: backup.stop)
    trouble = "" if backups else str(found["status"]["message"])
    return Stanza(tuple(backups), trouble)
