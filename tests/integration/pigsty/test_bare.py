"""From an empty machine: what a plan says, and what the next run makes of a killed one."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clients.processes import process
from config.environment import Environment
from config.load import ROOT, load_environment, load_release
from config.rules.finding import Status
from config.secrets import generate
from tasks.core.site import Site
from tasks.core.step import Outcome
from tasks.platforms.pigsty.preflight import readings
from tasks.steps import rollout
from tasks.steps.table import PARTS
from tests.conftest import MakeDouble
from tests.integration.pigsty.conftest import deploy

PIGSTYS = ["bootstrap", "configure", "install", "pgsql", "redis", "portal", "hosts"]
DRIVER = """
import sys, pickle
sys.path[:0] = [{root!r}]
from tests.integration.pigsty.conftest import deploy
from tasks.core.site import Site
environment, release, secrets = pickle.load(open({file!r}, "rb"))
deploy(Site(environment, release, secrets))
"""


def test_the_recipe_with_only_addresses_given_has_a_plan_on_a_default_pigsty(
    make_pigsty_double: MakeDouble, tmp_path: Path
):
    """As `configure -c meta` leaves it, nothing edited: PostgreSQL 18, and no word of ours."""
    double = make_pigsty_double()
    address = double.addresses[0]
    assert double.run("./configure", "-c", "meta", "-i", address, "-n").returncode == 0
    assert "pg_version: 18" in (double.tree / "pigsty.yml").read_text()
    tree = load_environment("recipe").model_dump()
    tree["pigsty"] |= {"home": double.tree, "admin_ip": address, "redis_nodes": [address]}
    for section in ("postgres", "redis"):
        tree[section] |= {"host": address}
    tree["portal"] |= {"http_port": double.http_port, "https_port": double.https_port}
    tree["dify"] |= {"home": tmp_path / "stack", "data": tmp_path / "data"}
    environment = Environment.model_validate(tree)
    release = load_release(environment.dify.release)
    site = Site(environment, release, generate(release, {}))
    wrong = [found for found in readings(site) if found.status is not Status.OK]
    assert not [found for found in wrong if found.probe == "pigsty.yml"]
    whats = [change.what for outcome in planned(site) for change in outcome.changes]
    assert whats[0] == f"edit {double.tree}/pigsty.yml"
    assert "make PostgreSQL cluster pg-meta" in whats


# How far somebody got with Pigsty by hand → what a plan begins with.
BEGINNINGS = {
    "nothing": ["put Pigsty at HOME", "install Ansible", "configure HOME/pigsty.yml"],
    "a tree": ["install Ansible", "configure HOME/pigsty.yml"],
    "Ansible": ["configure HOME/pigsty.yml"],
    "an inventory": [],
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_plan_on_a_fresh_machine_is_the_whole_rollout(
    beginning: str,
    make_pigsty_double: MakeDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    double = make_pigsty_double()
    address, home = double.addresses[0], double.tree
    if beginning == "nothing":
        home = tmp_path / "nowhere"
    if beginning in ("nothing", "a tree"):
        monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{double.programs}:"))
    if beginning == "an inventory":
        double.run("./configure", "-i", address, "-n")
    keys = {"home": home, "source": "/pigsty.tgz", "admin_ip": address,
            "redis_nodes": [address]}  # fmt: skip
    site = double.site(portal={"domain": "dify.pigsty"}, pigsty=keys)
    before = sorted(double.tree.rglob("*"))

    found = {change.what: change for outcome in planned(site) for change in outcome.changes}
    assert list(found) == [
        *(what.replace("HOME", str(home)) for what in BEGINNINGS[beginning]),
        f"edit {home}/pigsty.yml",
        "install Pigsty on its nodes",
        "make PostgreSQL cluster pg-meta",
        "admit dbuser_dify in pg_hba.conf",
        "make role dbuser_dify and set its password",
        "make database dify",
        "make database dify_plugin",
        "make Redis cluster redis-dify",
        "issue the portal's certificate for dify.pigsty",
        "serve dify.pigsty",
        "name dify.pigsty in Pigsty's DNS",
    ]
    edit = found[f"edit {home}/pigsty.yml"].after
    for part in ("name: dbuser_dify, password: ***", "redis_instances: { 6379: {} }",
                 "redis_mem_policy: noeviction", "domain: dify.pigsty", "${admin_ip} dify.pigsty",
                 "addr: 172.30.31.0/24"):  # fmt: skip
        assert part in edit
    assert found["make database dify"].after == "owner dbuser_dify, extensions uuid-ossp, vector"
    assert f"Redis at {address}:6379" in found["make Redis cluster redis-dify"].after
    assert "from 172.30.31.0/24" in found["admit dbuser_dify in pg_hba.conf"].after
    for secret in site.secrets.values():
        assert secret.get_secret_value() not in str(found)
    assert sorted(double.tree.rglob("*")) == before and double.journal() == []


def test_a_plan_where_nobody_knows_us_yet_is_made_all_the_same(make_pigsty_double: MakeDouble):
    """PostgreSQL answers, and refuses whoever it has no rule for."""
    double = make_pigsty_double()
    double.install()
    site = double.site(portal={"domain": "dify.pigsty"})
    changes = [c.what for o in rollout.plan(site, only=[*PIGSTYS, "migrate"]) for c in o.changes]
    assert "admit dbuser_dify in pg_hba.conf" in changes
    assert "look at migrate again once the changes above are made" in changes
    assert "install Pigsty on its nodes" not in changes


def test_the_tree_comes_from_a_tarball_and_its_example_is_no_inventory(
    make_pigsty_double: MakeDouble, tmp_path: Path
):
    double = make_pigsty_double()
    (double.tree / "pigsty.yml").write_text("example: 10.10.10.10\n")
    archive = tmp_path / "pigsty-v4.5.0.tgz"
    subprocess.run(["tar", "-czf", archive, "-C", double.tree.parent, double.tree.name], check=True)
    home = tmp_path / "home"
    site = double.site(pigsty={"home": home, "source": str(archive),
                               "admin_ip": double.addresses[0]})  # fmt: skip
    assert deploy(site, [PARTS["bootstrap"]]) == [f"put Pigsty at {home}"]
    assert deploy(site, [PARTS["bootstrap"]]) == []
    assert not (home / "pigsty.yml").exists() and (home / "pigsty.yml.example").exists()
    assert deploy(site, [PARTS["configure"]])[0] == f"configure {home}/pigsty.yml"
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


def planned(site: Site) -> list[Outcome]:
    return rollout.plan(site, only=PIGSTYS)


def _killed_after(site: Site, tmp_path: Path, seconds: float) -> None:
    file = tmp_path / "site"
    file.write_bytes(pickle.dumps((site.environment, site.release, dict(site.secrets))))
    driver = DRIVER.format(root=str(ROOT), file=str(file))
    run = subprocess.Popen([sys.executable, "-c", driver], cwd=ROOT, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    if process(run.pid):
        os.kill(run.pid, signal.SIGKILL)
    run.wait()
