"""Deploys on real Pigsty: state and portal on the lab's node, Dify's containers here.

The whole of it with Pigsty's tree on this machine, and with the node as the one machine that
everything runs on; and Pigsty's own steps with the tree on the node, over SSH.
"""

import json
from collections.abc import Generator
from typing import Any

import pytest

from tests.pigsty.lab.site import ENVIRONMENT, LabSite, OneMachine, forget, lab_site

PIGSTYS = ("bootstrap", "configure", "install", "pgsql", "redis", "portal", "hosts")


@pytest.fixture(scope="module", params=["ssh", "local", "one-machine"])
def site(request: pytest.FixtureRequest) -> Generator[LabSite]:
    over_ssh = request.param == "ssh"
    kind = OneMachine if request.param == "one-machine" else LabSite
    with lab_site(*(PIGSTYS if over_ssh else ()), kind=kind) as made:
        if over_ssh:
            made.over_ssh()
        try:
            yield made
        finally:
            forget(made)


@pytest.fixture(scope="module")
def first(site: LabSite) -> Any:
    return site.deploy()


def test_the_whole_recipe_runs_and_is_proved(first: Any, site: LabSite) -> None:
    assert first.returncode == 0, first.stderr[-4000:]
    assert site.steps or "checks passed" in first.stderr
    lab = site.lab
    assert lab.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'dbuser_dify'") == "f"
    assert lab.sql("SELECT count(*) FROM pg_extension WHERE extname = 'vector'", "dify") == "1"
    assert lab.read("/pg/tmp/pg-user-dbuser_dify.sql") is None, "the password is left in a file"


def test_no_secret_is_in_what_it_said(first: Any, site: LabSite) -> None:
    said = first.stdout + first.stderr
    for name in ("postgres_password", "redis_password"):
        secret = site.rollout("secrets", ENVIRONMENT, name).stdout.strip()
        assert secret and secret not in said
    for pigstys in ("DBUser.DBA", "DBUser.Monitor", "Patroni.API", "DBUser.Meta"):
        assert pigstys not in said


def test_a_second_deploy_changes_nothing_and_restarts_nothing(first: Any, site: LabSite) -> None:
    before = site.running()
    text = (site.lab.tree / "pigsty.yml").read_bytes()
    done = site.deploy("--json")
    assert json.loads(done.stdout)["changes"] == 0, done.stdout + done.stderr
    assert site.running() == before
    assert (site.lab.tree / "pigsty.yml").read_bytes() == text
