import json
from typing import Any

from tasks.tools.pgbackrest import parse_info
from tasks.tools.wal import History

# As pgBackRest prints it: the first backup is of a PostgreSQL before its major upgrade, the second
# whole, the third damaged, and the last taken while the server was down.
INFO: list[dict[str, Any]] = [{
    "archive": [{"database": {"id": 1, "repo-key": 1}, "id": "16-1", "max": "0", "min": "0"}],
    "backup": [
        {"label": "20251124-010002F", "type": "full", "error": False,
         "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000002"},
         "database": {"id": 1, "repo-key": 1},
         "lsn": {"start": "0/2000028", "stop": "0/2000138"},
         "timestamp": {"start": 1763946002, "stop": 1763946005}},
        {"label": "20261124-010002F", "type": "full", "error": False,
         "archive": {"start": "0000000A0000000000000004", "stop": "0000000A0000000000000004"},
         "database": {"id": 2, "repo-key": 1},
         "lsn": {"start": "0/4000028", "stop": "0/4000138"},
         "timestamp": {"start": 1795482002, "stop": 1795482005}},
        {"label": "20261124-010002F_20261124-020002I", "type": "incr", "error": True,
         "archive": {"start": "0000000A0000000000000006", "stop": "0000000A0000000000000006"},
         "database": {"id": 2, "repo-key": 1},
         "lsn": {"start": "0/6000028", "stop": "0/6000138"},
         "timestamp": {"start": 1795485602, "stop": 1795485605}},
        {"label": "20261124-030002F", "type": "full", "error": False,
         "archive": {"start": None, "stop": None}, "database": {"id": 2, "repo-key": 1},
         "timestamp": {"start": 1795489202, "stop": 1795489205}},
    ],
    "db": [{"id": 1, "repo-key": 1, "system-id": 6569239123849665666, "version": "15"},
           {"id": 2, "repo-key": 1, "system-id": 6569239123849665679, "version": "16"}],
    "name": "pg-meta",
    "status": {"code": 0, "lock": {"backup": {"held": False}}, "message": "ok"},
}]  # fmt: skip


def test_whole_backups_are_listed_with_where_and_when_they_ended() -> None:
    (backup,) = parse_info(json.dumps(INFO), "pg-meta").backups
    assert (backup.label, backup.timeline, backup.place) == ("20261124-010002F", 10, 0x4000138)
    assert backup.stop.isoformat() == "2026-11-24T01:00:05+00:00"


def test_without_any_it_says_why() -> None:
    status = {"code": 1, "message": "missing stanza path"}
    missing = [{"name": "pg-meta", "backup": [], "status": status}]
    assert parse_info(json.dumps(missing), "pg-meta").trouble == "missing stanza path"
    assert parse_info("[]", "pg-meta").trouble == "no stanza pg-meta"


def test_those_of_what_was_undone_are_left_out_and_that_is_said() -> None:
    stanza = parse_info(json.dumps(INFO), "pg-meta")
    assert stanza.within(History(11, {10: 0x4000138})) == stanza
    undone = stanza.within(History(11, {10: 0x4000137}))
    assert not undone.backups
    assert undone.trouble == "the cluster went back to before its physical backups"
