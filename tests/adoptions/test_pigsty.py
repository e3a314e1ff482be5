"""A Dify is taken over by an environment on Pigsty's double, of which nothing is there before."""

import os
from collections.abc import Generator

import pytest

from tasks.core.site import Site
from tests.e2e.conftest import Machine, machine
from tests.integration.adopting import RELEASE_THERE, people_see, states
from tests.pigsty.double.build import Double, build
from tests.pigsty.double.settings import variables
from tests.ports import free_ports


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Generator[Double]:
    made = build(tmp_path_factory.mktemp("pigsty") / "tree", major=16)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def adopter(there: Site, double: Double) -> Generator[Machine]:
    plain = machine("adopter-pigsty")
    programs = double.folder / "pgsql/x/pginstall/bin"
    more = {
        "ROLLOUT__BACKUP__REPOSITORY": str(plain.home / "repository"),
        "ROLLOUT__BACKUP__DRILL__PORT": str(free_ports(1)[0]),
        "ROLLOUT__DIFY__RELEASE": RELEASE_THERE,
        "ROLLOUT__DIFY__ADMIN_EMAIL": there.environment.dify.admin_email,
        "PATH": f"{double.programs}:{programs}:{os.environ['PATH']}",
    }
    made = Machine(plain.home, {**plain.variables, **variables(double, plain.home), **more})
    password = there.secret("admin_password")
    try:
        made.rollout("secrets", "staging", "admin_password", "--set", stdin=password)
        yield made
    finally:
        made.rollout("down", "staging", "--yes", check=False)


def test_its_databases_come_into_pigstys(there: Site, adopter: Machine) -> None:
    before, named = people_see(there), ("--project", there.environment.dify.project)
    done = adopter.json("adopt", "staging", *named, "--yes")
    assert done["work"] == "taken over" and done["proved"].startswith("proved by a drill in")
    assert set(states(there).values()) == {"exited"}
    assert adopter.rollout("verify", "staging").returncode == 0
    assert adopter.json("deploy", "staging", "--yes")["changes"] == 0
    assert adopter.json("adopt", "staging", "--back", "--yes")["work"] == "started again"
    assert set(states(there).values()) == {"running"} and people_see(there) == before
