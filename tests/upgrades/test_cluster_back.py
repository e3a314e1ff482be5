"""An upgrade on Pigsty whose way back is the archive of the whole cluster."""

import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from config.load import ROOT
from tests.e2e.conftest import ROLLOUT, Machine, machine
from tests.pigsty.double.build import Double, build
from tests.pigsty.double.settings import variables
from tests.ports import free_ports

OLD, NEW = "1.16.1", "1.17.1"
RUNS_OLD, RUNS_NEW = ({"ROLLOUT__DIFY__RELEASE": release} for release in (OLD, NEW))
UPGRADE = ("upgrade", "staging", "--yes", "--without-drill")


class Cluster:
    """An environment on the double, and its database asked as superuser."""

    def __init__(self, site: Machine, double: Double) -> None:
        self.site, self.double = site, double

    def sql(self, statement: str, database: str = "dify") -> str:
        where = ("-h", str(self.double.path("/pg/run")), "-U", "postgres", "-d", database)
        words = ("psql", *where, "-AXtqc", statement)
        done = subprocess.run(
            words, env=dict(self.site.variables), check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    @property
    def kept(self) -> str:
        return self.sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM kept")

    @property
    def schema(self) -> str:
        return self.sql("SELECT version_num FROM alembic_version")

    def require_old(self) -> None:
        """The old release serves what was written until the stop, and a deploy changes nothing."""
        assert (self.kept, self.schema) == ("1", "5eed00001161")
        self.site.rollout("verify", "staging", **RUNS_OLD)
        assert self.site.json("deploy", "staging", **RUNS_OLD)["changes"] == 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    double = build(tmp_path_factory.mktemp("pigsty") / "tree")
    made = machine("cluster-back")
    programs = double.folder / "pgsql/x/pginstall/bin"
    more = {
        "ROLLOUT__UPGRADE__WAY_BACK": "cluster",
        "ROLLOUT__UPGRADE__WATCH_S": "0",
        "ROLLOUT__BACKUP__REPOSITORY": str(made.home / "repository"),
        "ROLLOUT__BACKUP__DRILL__PORT": str(free_ports(1)[0]),
        "PATH": f"{double.programs}:{programs}:{os.environ['PATH']}",
    }
    site = Machine(made.home, {**made.variables, **variables(double, made.home), **more})
    try:
        site.rollout("deploy", "staging", **RUNS_OLD)
        found = Cluster(site, double)
        found.sql("CREATE TABLE kept AS SELECT 1 AS n")
        found.sql("ALTER TABLE kept OWNER TO dbuser_dify")
        yield found
    finally:
        site.rollout("down", "staging", "--yes", check=False)
        double.remove()


def test_an_upgrade_is_undone_with_all_of_its_cluster(cluster: Cluster) -> None:
    site = cluster.site
    done = site.json(*UPGRADE, **RUNS_NEW)
    assert "point at the stop" not in {row["part"] for row in done["parts"]}
    assert done["unsaved_s"] == 0 and cluster.schema == "5eed00001171"
    cluster.sql("INSERT INTO kept VALUES (2)")
    cluster.sql("CREATE DATABASE came_later", "postgres")
    refused = site.rollout("rollback", "staging", check=False, **RUNS_OLD)
    assert refused.returncode == 1
    assert "with its whole cluster (databases of others in it: came_later" in refused.stderr
    back = site.json("rollback", "staging", "--yes", **RUNS_OLD)
    assert (back["from"], back["to"]) == (NEW, OLD) and back["checks"]
    assert any("its cluster is as it was at upgrade-" in note for note in back["notes"])
    assert cluster.sql("SELECT count(*) FROM pg_database WHERE datname = 'came_later'") == "0"
    cluster.require_old()


def test_a_migration_that_fails_is_gone_back_from_to_the_very_stop(cluster: Cluster) -> None:
    cluster.sql("ALTER TABLE agents ADD COLUMN model int")
    try:
        failed = cluster.site.rollout(*UPGRADE, check=False, **RUNS_NEW)
        assert failed.returncode == 1
        assert f"{OLD} → {NEW} failed at migrate" in failed.stderr
        assert f"Dify {OLD} serves again" in failed.stderr
    finally:
        cluster.sql("ALTER TABLE agents DROP COLUMN model")
    cluster.require_old()


def test_a_rollback_killed_while_the_cluster_is_down_is_finished_by_the_next(
    cluster: Cluster, tmp_path: Path
) -> None:
    site = cluster.site
    site.rollout(*UPGRADE, **RUNS_NEW)
    cluster.sql("INSERT INTO kept VALUES (3)")
    before = cluster.double.pid("postgres")
    with (tmp_path / "said").open("w") as said:
        run = subprocess.Popen(
            [str(ROLLOUT), "rollback", "staging", "--yes"],
            cwd=ROOT,
            env={**os.environ, **site.variables, **RUNS_OLD},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        while cluster.double.pid("postgres") == before:
            assert run.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    back = site.json("rollback", "staging", "--yes", **RUNS_OLD)
    assert back["to"] == OLD
    cluster.require_old()
