"""Deploys on real Pigsty: state and portal on the lab's node, Dify's containers here.

The whole of it with Pigsty's tree on this machine; and Pigsty's own steps with the tree on the
node, over SSH.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from config.load import ROOT
from tests.pigsty.contract.subject import LabSubject

ROLLOUT = Path(sys.executable).parent / "rollout"
ENVIRONMENT = "staging"
PROJECT = "dify-lab"
PIGSTYS = ("bootstrap", "configure", "install", "pgsql", "redis", "portal", "hosts")
WITHIN_S = 1800
CLEAN = (
    "systemctl stop redis-dify-1-6379; rm -rf /data/redis/redis-dify-1-6379"
    " /etc/redis/redis-dify-1-6379.conf /etc/systemd/system/redis-dify-1-6379.service"
    " /etc/nginx/conf.d/dify.conf; systemctl reload nginx"
)


class Site:
    """An environment whose machine is the lab's node."""

    def __init__(self, lab: LabSubject, home: Path, where: str) -> None:
        self.lab = lab
        self.steps = [word for step in PIGSTYS if where == "ssh" for word in ("--only", step)]
        gateway = f"{lab.address.rpartition('.')[0]}.1"
        self.variables = {
            "PATH": f"{lab.programs}:{os.environ['PATH']}",
            "PREFECT_HOME": str(home / "prefect"),
            "ROLLOUT__PIGSTY__HOME": str(lab.tree),
            "ROLLOUT__PIGSTY__ADMIN_IP": lab.address,
            "ROLLOUT__PIGSTY__PG_VERSION": "15",
            "ROLLOUT__PIGSTY__REDIS_NODES": json.dumps([lab.address]),
            "ROLLOUT__POSTGRES__HOST": lab.address,
            "ROLLOUT__POSTGRES__PORT": "5436",
            "ROLLOUT__REDIS__HOST": lab.address,
            "ROLLOUT__REDIS__MAX_MEMORY_MB": "64",
            "ROLLOUT__IMAGES__SOURCE": "rehearsal",
            "ROLLOUT__PORTAL__DOMAIN": "dify-lab.pigsty",
            "ROLLOUT__DIFY__HOME": str(home / "stack"),
            "ROLLOUT__DIFY__DATA": str(home / "data"),
            "ROLLOUT__DIFY__PROJECT": PROJECT,
            "ROLLOUT__DIFY__SUBNET": "172.30.72.0/24",
            "ROLLOUT__DIFY__BIND": gateway,
            "ROLLOUT__PREFLIGHT__DISK_FREE_GB": "1",
            "ROLLOUT__PREFLIGHT__MEMORY_GB": "1",
        }
        if where == "ssh":
            config = str(lab.tree.parent / "ssh_config")
            over = {"ADMIN": "lab-node", "SSH_CONFIG": config, "ADDRESSES": json.dumps([gateway])}
            self.variables |= {f"ROLLOUT__NODES__{name}": value for name, value in over.items()}

    def deploy(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.rollout("deploy", ENVIRONMENT, "--yes", *self.steps, *words)

    def rollout(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROLLOUT), *words],
            cwd=ROOT,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )

    def running(self) -> tuple[str, ...]:
        """What differs after any service of the node was restarted."""
        units = ("patroni", "nginx", "haproxy", "pgbouncer", "redis-dify-1-6379", "docker")
        shown = self.lab.inside(f"systemctl show --property=InvocationID {' '.join(units)}").stdout
        return shown, self.lab.postgres_started()


@pytest.fixture(scope="module", params=["ssh", "local"])
def site(request: pytest.FixtureRequest) -> Generator[Site]:
    lab = LabSubject(Path(os.environ["LAB_HOME"]), os.environ["LAB_NAME"], os.environ["LAB_IP"])
    home = Path(tempfile.mkdtemp(prefix="rollout-lab-"))
    before = (lab.tree / "pigsty.yml").read_bytes()
    made = Site(lab, home, request.param)
    try:
        yield made
    finally:
        made.rollout("down", ENVIRONMENT, "--yes")
        (lab.tree / "pigsty.yml").write_bytes(before)
        lab.inside(CLEAN)
        for database in ("dify", "dify_plugin"):
            lab.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        lab.sql("DROP OWNED BY dbuser_dify CASCADE; DROP ROLE dbuser_dify")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def first(site: Site) -> subprocess.CompletedProcess[str]:
    return site.deploy()


def test_the_whole_recipe_runs_and_is_proved(first: Any, site: Site) -> None:
    assert first.returncode == 0, first.stderr[-4000:]
    assert site.steps or "checks passed" in first.stderr
    lab = site.lab
    assert lab.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'dbuser_dify'") == "f"
    assert lab.sql("SELECT count(*) FROM pg_extension WHERE extname = 'vector'", "dify") == "1"
    assert lab.read("/pg/tmp/pg-user-dbuser_dify.sql") is None, "the password is left in a file"


def test_no_secret_is_in_what_it_said(first: Any, site: Site) -> None:
    said = first.stdout + first.stderr
    for name in ("postgres_password", "redis_password"):
        secret = site.rollout("secrets", ENVIRONMENT, name).stdout.strip()
        assert secret and secret not in said
    for pigstys in ("DBUser.DBA", "DBUser.Monitor", "Patroni.API", "DBUser.Meta"):
        assert pigstys not in said


def test_a_second_deploy_changes_nothing_and_restarts_nothing(first: Any, site: Site) -> None:
    before = site.running()
    text = (site.lab.tree / "pigsty.yml").read_bytes()
    done = site.deploy("--json")
    assert json.loads(done.stdout)["changes"] == 0, done.stdout + done.stderr
    assert site.running() == before
    assert (site.lab.tree / "pigsty.yml").read_bytes() == text
