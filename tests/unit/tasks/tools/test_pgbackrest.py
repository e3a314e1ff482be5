import json

from tasks.tools.pgbackrest import parse_info

# As pgBackRest prints it; the second backup was damaged.
INFO = [{
    "archive": [{"database": {"id": 1, "repo-key": 1}, "id": "16-1", "max": "0", "min": "0"}],
    "backup": [
        {"label": "20261124-010002F", "type": "full", "error": False,
         "lsn": {"start": "0/4000028", "stop": "0/4000138"},
         "timestamp": {"start": 1795482002, "stop": 1795482005}},
        {"label": "20261124-010002F_20261124-020002I", "type": "incr", "error": True,
         "lsn": {"start": "0/6000028", "stop": "0/6000138"},
         "timestamp": {"start": 1795485602, "stop": 1795485605}},
    ],
    "name": "pg-meta",
    "status": {"code": 0, "lock": {"backup": {"held": False}}, "message": "ok"},
}]  # fmt: skip


def test_whole_backups_are_listed_with_where_and_when_they_ended() -> None:
    (backup,) = parse_info(json.dumps(INFO), "pg-meta").backups
    assert (backup.label, backup.lsn) == ("20261124-010002F", "0/4000138")
    assert backup.stop.isoformat() == "2026-11-24T01:00:05+00:00"


def test_without_any_it_says_why() -> None:
    status = {"code": 1, "message": "missing stanza path"}
    missing = [{"name": "pg-meta", "backup": [], "status": status}]
    assert parse_info(json.dumps(missing), "pg-meta").trouble == "missing stanza path"
    assert parse_info("[]", "pg-meta").trouble == "no stanza pg-meta"
