"""A Dify is taken over by an environment on Pigsty's double, of which nothing is there before."""

import os
import subprocess
from collections.abc import Generator

import pytest

from clients.waiting import until
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


def served(double: Double, domain: str) -> str:
    """What Dify answers at the domain, through Pigsty's portal; its nginx may still start."""
    port = double.https_port
    place = ("--resolve", f"{domain}:{port}:{double.addresses[0]}", "--insecure", "--max-time", "9")
    url = f"https://{domain}:{port}/console/api/setup"
    words = ["curl", "--silent", "--show-error", *place, url]

    def asked() -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return until(asked, lambda said: "finished" in said, within_s=30, every_s=0.5)


def test_its_databases_come_into_pigstys(there: Site, adopter: Machine) -> None:
    before, named = people_see(there), ("--project", there.environment.dify.project)
    done = adopter.json("adopt", "staging", *named, "--yes")
    assert done["work"] == "taken over" and done["proved"].startswith("proved by a drill in")
    assert set(states(there).values()) == {"exited"}
    assert adopter.rollout("verify", "staging").returncode == 0
    assert adopter.json("deploy", "staging", "--yes")["changes"] == 0
    assert adopter.json("adopt", "staging", "--back", "--yes")["work"] == "started again"
    assert set(states(there).values()) == {"running"} and people_see(there) == before


def test_the_domain_it_has_at_pigstys_portal_comes_with_it(
    there: Site, adopter: Machine, double: Double
) -> None:
    domain = adopter.variables["ROLLOUT__PORTAL__DOMAIN"]
    inventory, named = double.tree / "pigsty.yml", ("--project", there.environment.dify.project)
    home = "      home: { domain: i.pigsty }\n"
    entry = (
        "      ai:                              # the old Dify\n"
        f"        domain: {domain}\n"
        f'        endpoint: "127.0.0.1:{there.environment.dify.port}"\n'
    )
    before = inventory.read_text()
    assert home in before
    inventory.write_text(before.replace(home, home + entry))
    done = double.run("./infra.yml", "-t", "nginx_config,nginx_cert,nginx_reload")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished" in served(double, domain)

    plan = adopter.rollout("adopt", "staging", *named, "--dry-run", check=False)
    assert f"ai.conf of the portal leads {domain} to it" in plan.stdout
    assert "set aside ai.conf of the portal" in plan.stdout
    assert "finished" in served(double, domain) and entry in inventory.read_text()

    adopter.json("adopt", "staging", *named, "--yes", "--without-drill")
    assert set(states(there).values()) == {"exited"} and "finished" in served(double, domain)
    assert adopter.json("deploy", "staging", "--yes")["changes"] == 0
    assert "# set aside, staging has its domain:       ai:" in inventory.read_text()

    adopter.json("adopt", "staging", "--back", "--yes")
    assert set(states(there).values()) == {"running"} and "finished" in served(double, domain)
    assert entry in inventory.read_text()
