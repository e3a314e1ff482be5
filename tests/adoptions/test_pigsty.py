"""A Dify is taken over by an environment on Pigsty's double, of which nothing is there before."""

import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from clients.waiting import until
from config.desired.maintenance import RETRY_AFTER_S
from config.load import ROOT
from tasks.core.site import Site
from tests.adoptions.people import Watch, watched
from tests.e2e.conftest import ROLLOUT, Machine, machine
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


@pytest.fixture(scope="module")
def entry(there: Site, adopter: Machine, double: Double) -> str:
    """By which Pigsty's portal serves the domain for the Dify that is there."""
    domain, inventory = adopter.variables["ROLLOUT__PORTAL__DOMAIN"], double.tree / "pigsty.yml"
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
    return entry


@contextmanager
def people(adopter: Machine, double: Double) -> Generator[Watch]:
    """They get Dify or the page, whatever happens meanwhile, and Dify in the end."""
    place = double.addresses[0], double.https_port
    with watched(place, adopter.variables["ROLLOUT__PORTAL__DOMAIN"]) as watch:
        yield watch
        assert until(lambda: watch.answers[-1][1] == 200, within_s=10, every_s=0.1)
    print(f"away {watch.away_s:.1f} s, {Counter(status for _, status, _ in watch.answers)}")
    assert watch.statuses == {200, 503} and watch.retry_after == {str(RETRY_AFTER_S)}


def given_back(there: Site, double: Double, entry: str) -> bool:
    """Whether the Dify that is there runs, has its domain, and nothing of a page is left."""
    inventory = (double.tree / "pigsty.yml").read_text()
    files = {each.name for each in double.path("/etc/nginx/conf.d").iterdir()}
    left = [name for name in files if "set-aside" in name or "maintenance" in name]
    runs = set(states(there).values()) == {"running"}
    return runs and not left and "ai.conf" in files and entry in inventory


def test_the_domain_it_has_at_pigstys_portal_comes_with_it(
    there: Site, adopter: Machine, double: Double, entry: str
) -> None:
    domain, project = adopter.variables["ROLLOUT__PORTAL__DOMAIN"], there.environment.dify.project
    named = ("--project", project)
    plan = adopter.rollout("adopt", "staging", *named, "--dry-run", check=False)
    assert f"ai.conf of the portal leads {domain} to it" in plan.stdout
    assert "set aside ai.conf of the portal" in plan.stdout
    assert given_back(there, double, entry) and "finished" in served(double, domain)

    with people(adopter, double) as watch:
        done = adopter.json("adopt", "staging", *named, "--yes", "--without-drill")
    print(done["parts"], done["downtime_s"])
    assert watch.away_s < done["downtime_s"] + 10
    assert set(states(there).values()) == {"exited"} and "finished" in served(double, domain)
    assert adopter.json("deploy", "staging", "--yes")["changes"] == 0
    assert (
        "# set aside, staging has its domain:       ai:" in (double.tree / "pigsty.yml").read_text()
    )

    with people(adopter, double):
        adopter.json("adopt", "staging", "--back", "--yes")
    assert given_back(there, double, entry) and "finished" in served(double, domain)


@contextmanager
def adopting(there: Site, adopter: Machine) -> Generator["subprocess.Popen[str]"]:
    """An adoption on its way."""
    words = ("adopt", "staging", "--project", there.environment.dify.project, "--yes")
    with subprocess.Popen(
        [str(ROLLOUT), *words, "--without-drill"],
        cwd=ROOT, env={**os.environ, **adopter.variables}, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        yield process


def test_one_that_is_killed_while_people_get_the_page_is_gone_back_from(
    there: Site, adopter: Machine, double: Double, entry: str
) -> None:
    before = people_see(there)
    with people(adopter, double) as watch:
        with adopting(there, adopter) as process:
            assert watch.page.wait(300)
            os.killpg(process.pid, signal.SIGKILL)
        assert watch.answers[-1][1] == 503
        adopter.json("adopt", "staging", "--back", "--yes")
    assert given_back(there, double, entry) and people_see(there) == before


def test_one_that_fails_gives_the_domain_back_by_itself(
    there: Site, adopter: Machine, double: Double, entry: str
) -> None:
    """Somebody takes the port of Dify once preflight has found it free."""
    before, port = people_see(there), int(adopter.variables["ROLLOUT__DIFY__PORT"])
    with people(adopter, double) as watch, adopting(there, adopter) as process:
        assert watch.page.wait(300)
        with socket.create_server(("", port)):
            said, _ = process.communicate(timeout=600)
    assert process.returncode == 1 and "serves again" in said, said
    assert given_back(there, double, entry) and people_see(there) == before
