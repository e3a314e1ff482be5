"""`rollout adopt` as people type it: planned, carried out, gone back from."""

from collections.abc import Generator

import pytest

from tasks.core.site import Site
from tests.e2e.conftest import Machine, machine
from tests.integration import stack
from tests.integration.adopting import RELEASE_THERE, people_see, states


@pytest.fixture(scope="module")
def adopter(there: Site) -> Generator[Machine]:
    made = machine(
        "adopter",
        ROLLOUT__POSTGRES__HOST=stack.BRIDGE,
        ROLLOUT__REDIS__HOST=stack.BRIDGE,
        ROLLOUT__DIFY__RELEASE=RELEASE_THERE,
        ROLLOUT__DIFY__ADMIN_EMAIL=there.environment.dify.admin_email,
    )
    password = there.secret("admin_password")
    try:
        made.rollout("secrets", "sandbox", "admin_password", "--set", stdin=password)
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


def test_it_is_planned_taken_over_and_given_back(there: Site, adopter: Machine) -> None:
    before, named = people_see(there), ("--project", there.environment.dify.project)
    plan = adopter.rollout("adopt", "sandbox", *named, "--dry-run", check=False)
    assert plan.returncode == 2 and "nobody can use Dify for about" in plan.stdout
    assert set(states(there).values()) == {"running"}
    done = adopter.json("adopt", "sandbox", *named, "--without-drill")
    assert done["work"] == "taken over" and done["downtime_s"] > 0
    assert set(states(there).values()) == {"exited"}
    assert adopter.rollout("adopt", "sandbox", "--dry-run").returncode == 0
    assert (
        "is to be kept until" in adopter.rollout("adopt", "sandbox", "--finish", check=False).stderr
    )
    both = adopter.rollout("adopt", "sandbox", "--back", "--finish", check=False)
    assert "expected one of dry_run, back and finish" in both.stderr
    back = adopter.json("adopt", "sandbox", "--back")
    assert back["work"] == "started again" and back["proved"] == "with what was written here since"
    assert set(states(there).values()) == {"running"} and people_see(there) == before
