"""An upgrade on real Pigsty, and its way back with the whole cluster by the archive."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from config.load import ROOT
from tests.integration.upgrading import fill, state
from tests.pigsty.lab.outage import below
from tests.pigsty.lab.site import ENVIRONMENT, ROLLOUT, LabSite, forget, lab_site
from tests.ports import free_ports

OLD, NEW = "1.16.1", "1.17.1"
HEADS = {OLD: "5eed00001161", NEW: "5eed00001171"}
DEPLOY = ("deploy", ENVIRONMENT, "--yes")
UPGRADE = ("upgrade", ENVIRONMENT, "--yes", "--without-drill")
ROLLBACK = ("rollback", ENVIRONMENT, "--yes")
# Tasks of Pigsty's playbook, from the stop of the cluster to its start.
MOMENTS = (
    "force stop postgres if still running",
    "run .* restore",
    "wait for wal replay to recovery target",
    "launch patroni primary",
)


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


@pytest.mark.timeout(2400)
def test_a_rollback_that_is_killed_while_its_cluster_is_down_is_finished_by_the_next(
    site: LabSite, tmp_path: Path
) -> None:
    before = upgraded(site)
    for number, task in enumerate(MOMENTS):
        killed_at(site, task, tmp_path / str(number))
    assert site.json(*ROLLBACK)["to"] == OLD
    require_as_before(site, before)


def killed_at(site: LabSite, task: str, log: Path) -> None:
    """A rollback and all it has started get no further than that, nor does a restore."""
    begun = re.compile(rf"task \d+: .*{task}")
    with log.open("w") as said:
        run = subprocess.Popen(
            [str(ROLLOUT), *ROLLBACK],
            cwd=ROOT,
            env={**os.environ, **site.variables},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        while not begun.search(log.read_text()):
            assert run.poll() is None, log.read_text()
            time.sleep(0.1)
        for pid in (*below(run.pid), run.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        site.lab.inside("pkill -KILL -x pgbackrest")
        run.wait()
