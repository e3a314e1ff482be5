"""A status page of many environments, from what their runs left on a real Prefect server."""

import time

import pytest

from blocks import health_record
from config.errors import RolloutError
from config.rules.finding import Status
from config.rules.health.record import Known, Record
from flows.parts.health_report import page_rows
from tasks.probes.health.fleet import visit

pytestmark = pytest.mark.usefixtures("prefect")


def keep(name: str, at: float, **probes: Known) -> None:
    health_record.save(name, health_record.load(name), Record(at=at, probes=probes))


def test_who_was_asked_lately_is_not_asked_again():
    now = time.time()
    keep("calm", now - 60, redis=Known())
    keep("sick", now - 60, redis=Known(status=Status.FAIL, since=now - 7200, said="refused"))
    keep("stale", now - 3600, redis=Known())
    asked: list[str] = []

    def opened(name: str):
        asked.append(name)
        raise RolloutError(f"no such environment: {name}")

    found = visit(["calm", "sick", "stale", "never"], opened, pytest.fail, at_once=2, fresh_s=420)
    assert sorted(asked) == ["never", "stale"]
    rows = page_rows(found)
    assert [row["environment"] for row in rows] == ["sick", "never", "stale", "calm"]
    assert rows[0] == {
        "environment": "sick",
        "status": "fail",
        "for": "2 h",
        "probes": "redis",
        "what": "refused",
    }
    assert rows[2]["what"] == "no such environment: stale"
