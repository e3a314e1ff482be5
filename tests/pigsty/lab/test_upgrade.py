"""An upgrade on real Pigsty, and its way back with the whole cluster by the archive."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.upgrading import fill, state
from tests.pigsty.lab.site import ENVIRONMENT, LabSite, forget, lab_site
from tests.ports import free_ports

OLD, NEW = "1.16.1", "1.17.1"
HEADS = {OLD: "5eed00001161", NEW: "5eed00001171"}
DEPLOY = ("deploy", ENVIRONMENT, "--yes")
UPGRADE = ("upgrade", ENVIRONMENT, "--yes", "--without-drill")
ROLLBACK = ("rollback", ENVIRONMENT, "--yes")


def runs(site: LabSite, release: str) -> None:
    site.set({"RELEASE": release}, "DIFY")


@pytest.fixture(scope="module")
def site() -> Generator[LabSite]:
    with lab_site() as made:
        home = Path(made.variables["ROLLOUT__DIFY__HOME"]).parent
        made.set({"WAY_BACK": "cluster", "WATCH_S": "0"}, "UPGRADE")
        made.set({"REPOSITORY": str(home / "points")}, "BACKUP")
        made.set({"DRILL__PORT": str(free_ports(1)[0])}, "BACKUP")
        runs(made, OLD)
        try:
            made.json(*DEPLOY)
            fill(made.deployed())
            yield made
        finally:
            forget(made)


def schema(site: LabSite) -> str:
    return site.lab.sql("SELECT version_num FROM alembic_version", "dify")


def upgraded(site: LabSite) -> dict[str, Any]:
    """People's data before an upgrade, of which some is changed after it."""
    runs(site, OLD)
    before = state(site.deployed())
    runs(site, NEW)
    done = site.json(*UPGRADE)
    print({row["part"]: row["seconds"] for row in done["parts"]}, done["downtime_s"])
    assert schema(site) == HEADS[NEW] and done["unsaved_s"] == 0
    site.lab.sql("DELETE FROM documents WHERE name LIKE 'mine-%'", "dify")
    runs(site, OLD)
    return before


def require_as_before(site: LabSite, before: dict[str, Any]) -> None:
    """The old release serves what people had at its stop, and a deploy changes nothing."""
    after = state(site.deployed())
    assert {key: (before[key], now) for key, now in after.items() if now != before[key]} == {}
    assert schema(site) == HEADS[OLD]
    assert site.rollout("verify", ENVIRONMENT).returncode == 0
    assert site.json(*DEPLOY)["changes"] == 0


def test_an_upgrade_is_undone_with_all_of_its_cluster(site: LabSite) -> None:
    before = upgraded(site)
    site.lab.sql("CREATE DATABASE came_later")
    back = site.json(*ROLLBACK)
    print({row["part"]: row["seconds"] for row in back["parts"]}, back["downtime_s"])
    assert (back["from"], back["to"]) == (NEW, OLD) and back["checks"]
    assert any("its cluster is as it was at upgrade-" in note for note in back["notes"])
    assert site.lab.sql("SELECT count(*) FROM pg_database WHERE datname = 'came_later'") == "0"
    require_as_before(site, before)
