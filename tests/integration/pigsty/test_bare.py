"""From an empty machine: what a plan says, and what the next run makes of a killed one."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

from blocks.processes import process
from config.load import ROOT
from tasks.bootstrap import bootstrap_steps
from tasks.configure import configure_steps
from tasks.site import Site
from tests.conftest import MakeDouble
from tests.integration.pigsty.conftest import STEPS, deploy

DRIVER = """
import sys, pickle
sys.path[:0] = [{root!r}]
from tests.integration.pigsty.conftest import deploy
from tasks.site import Site
environment, release, secrets = pickle.load(open({file!r}, "rb"))
deploy(Site(environment, release, secrets))
"""


def test_a_plan_on_nothing_changes_nothing(make_pigsty_double: MakeDouble, tmp_path: Path):
    double = make_pigsty_double()
    site = double.site(portal={"domain": "dify.pigsty"},
                       pigsty={"home": tmp_path / "nowhere", "source": "/tmp/pigsty.tgz",
                               "admin_ip": double.addresses[0]})  # fmt: skip
    planned = [
        change.what
        for steps in STEPS
        for part in steps(site)
        for change in part.plan(part.observe())
    ]
    assert f"put Pigsty at {tmp_path}/nowhere" in planned
    assert "install Pigsty on its nodes" in planned
    assert "make PostgreSQL cluster pg-meta" in planned
    assert not (tmp_path / "nowhere").exists()
    assert double.journal() == []


def test_the_tree_comes_from_a_tarball_and_its_example_is_no_inventory(
    make_pigsty_double: MakeDouble, tmp_path: Path
):
    double = make_pigsty_double()
    (double.tree / "pigsty.yml").write_text("example: 10.10.10.10\n")
    archive = tmp_path / "pigsty-v4.5.0.tgz"
    subprocess.run(["tar", "-czf", archive, "-C", double.tree.parent, double.tree.name], check=True)
    home = tmp_path / "home"
    site = double.site(pigsty={"home": home, "source": str(archive),
                               "admin_ip": double.addresses[0], "pg_version": 16})  # fmt: skip
    assert deploy(site, [bootstrap_steps]) == [f"put Pigsty at {home}"]
    assert deploy(site, [bootstrap_steps]) == []
    assert not (home / "pigsty.yml").exists() and (home / "pigsty.yml.example").exists()
    assert deploy(site, [configure_steps])[0] == f"configure {home}/pigsty.yml"
    assert (home / "pigsty.yml").stat().st_mode & 0o777 == 0o600


def test_killed_again_and_again_the_last_run_finishes_the_job(
    make_pigsty_double: MakeDouble, tmp_path: Path
):
    double = make_pigsty_double()
    site = double.site(portal={"domain": "dify.pigsty"})
    for seconds in (1.0, 1.8, 2.6, 3.6, 5.0):
        _killed_after(site, tmp_path, seconds)
    deploy(site)
    assert deploy(site) == []
    assert not (double.tree / ".dify-rollout.installing").exists()
    assert not double.path("/pg/tmp/pg-user-dbuser_dify.sql").exists()


def _killed_after(site: Site, tmp_path: Path, seconds: float) -> None:
    file = tmp_path / "site"
    file.write_bytes(pickle.dumps((site.environment, site.release, site.secrets)))
    driver = DRIVER.format(root=str(ROOT), file=str(file))
    run = subprocess.Popen([sys.executable, "-c", driver], cwd=ROOT, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    if process(run.pid):
        os.kill(run.pid, signal.SIGKILL)
    run.wait()
