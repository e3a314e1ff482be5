"""The domain that another Dify has at Pigsty's portal: taken at the switch, given back, kept."""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clients.waiting import until
from config.desired.maintenance import RETRY_AFTER_S
from config.errors import ConfigError, StepError
from tasks.core.first_use import require_unused
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.pigsty import handover, nginx
from tasks.platforms.pigsty.inventory import inventory_steps
from tasks.platforms.pigsty.nginx import serving
from tasks.platforms.pigsty.portal import entry_steps
from tasks.steps.maintenance import close, prepare, reopen
from tests.addresses import ELSEWHERE, elsewhere
from tests.conftest import PigstyDouble

DOMAIN = "ai.pigsty"
HOME = "      home: { domain: i.pigsty }\n"


@dataclass(frozen=True)
class Portal:
    """What the double's machine has of nginx, and its pigsty.yml."""

    double: PigstyDouble

    @property
    def inventory(self) -> str:
        return (self.double.tree / "pigsty.yml").read_text()

    @property
    def files(self) -> dict[str, bytes]:
        folder = self.double.path("/etc/nginx/conf.d")
        return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}

    def rendered(self) -> None:
        done = self.double.run("./infra.yml", "-t", "nginx_config,nginx_cert,nginx_reload")
        assert done.returncode == 0, done.stdout + done.stderr

    def asked(self) -> str:
        """The answer of the domain's server, and not of what is behind it."""
        place = f"{DOMAIN}:{self.double.http_port}:{self.double.addresses[0]}"
        words = ["curl", "--silent", "--resolve", place, "--max-time", "5"]
        url = f"http://{DOMAIN}:{self.double.http_port}/"
        done = subprocess.run([*words, "--write-out", "%{http_code}", url], capture_output=True,
                              text=True, check=False)  # fmt: skip
        return done.stdout[-3:]

    def people(self) -> tuple[str, str]:
        """Status and Retry-After of what they get."""
        place = f"{DOMAIN}:{self.double.http_port}:{self.double.addresses[0]}"
        words = [
            "curl",
            "--silent",
            "--interface",
            ELSEWHERE,
            "--resolve",
            place,
            "--max-time",
            "5",
        ]
        shown = ("--output", os.devnull, "--write-out", "%{http_code} %header{retry-after}")
        url = f"http://{DOMAIN}:{self.double.http_port}/"
        done = subprocess.run([*words, *shown, url], capture_output=True, text=True, check=True)
        status, _, after = done.stdout.partition(" ")
        return status, after

    def is_ours(self) -> bool:
        """Whether the answer of the domain has the headers of the environment's own server."""
        place = f"{DOMAIN}:{self.double.http_port}:{self.double.addresses[0]}"
        words = ["curl", "--silent", "--head", "--resolve", place, "--max-time", "5"]
        url = f"http://{DOMAIN}:{self.double.http_port}/"
        done = subprocess.run([*words, url], capture_output=True, text=True, check=True)
        return "x-content-type-options" in done.stdout.lower()


def adopting(double: PigstyDouble) -> Site:
    """The site of a run that adopts, of an environment with that domain."""
    plain = double.site(portal={"domain": DOMAIN, "tls": False}, dify={"project": "own"})
    return Site(plain.environment, plain.release, plain.secrets, plain.node, adopting=True)


@contextmanager
def put_back(portal: Portal) -> Generator[Path]:
    """Its pigsty.yml, which is as before in the end; so are the names of nginx's files."""
    path = portal.double.tree / "pigsty.yml"
    before, files = path.read_text(), set(portal.files)
    try:
        yield path
    finally:
        path.write_text(before)
        for name in set(portal.files) - files:
            portal.double.path(f"/etc/nginx/conf.d/{name}").unlink()
        portal.rendered()


@contextmanager
def by_entry(portal: Portal) -> Generator[None]:
    """As Pigsty's app: an entry, and the file that Pigsty renders from it."""
    entry = (
        f"      ai:   # of another Dify\n        domain: {DOMAIN}\n"
        f'        endpoint: "{portal.double.addresses[0]}:1"\n'
    )
    with put_back(portal) as path:
        before = path.read_text()
        assert HOME in before
        path.write_text(before.replace(HOME, HOME + entry))
        portal.rendered()
        yield


@contextmanager
def by_file(portal: Portal) -> Generator[None]:
    """As the recipe's owner may have it: a file of his own."""
    place = f"{portal.double.addresses[0]}:{portal.double.http_port}"
    with put_back(portal):
        portal.double.path("/etc/nginx/conf.d/ai.conf").write_text(
            f"server {{ listen {place}; server_name {DOMAIN};\n"
            f"location / {{ proxy_pass http://{portal.double.addresses[0]}:1; }} }}\n"
        )
        portal.rendered()
        yield


@pytest.fixture
def portal(double: PigstyDouble) -> Portal:
    return Portal(double)


def done(steps: Any) -> list[str]:
    return [change.what for step in steps for change in converge(step).changes]


@pytest.mark.parametrize("way", [by_entry, by_file])
def test_it_is_taken_given_back_and_taken_for_good(way: Any, portal: Portal) -> None:
    site = adopting(portal.double)
    with way(portal):
        was, files = portal.inventory, portal.files
        assert serving(site) == {"ai.conf": [f"{portal.double.addresses[0]}:1"]}
        done(inventory_steps(site))
        asked = portal.inventory
        assert ("own:" in asked.partition("infra_portal")[2]) == (way is by_file)
        assert portal.asked() == "502" and portal.files == files

        taken = done(handover.taken_steps(site))
        assert "set aside ai.conf of the portal" in taken
        assert done(handover.taken_steps(site)) == []
        assert serving(site) == {} and portal.asked() == "502"  # nginx has not read it yet
        assert "own:" in portal.inventory.partition("infra_portal")[2]
        portal.rendered()
        assert list(serving(site)) == ["own.conf"]

        assert "put back ai.conf of the portal" in done(handover.back_steps(site))
        assert done(handover.back_steps(site)) == []
        assert portal.files == files and portal.asked() == "502"
        assert portal.inventory == asked or way is by_file
        assert "own:" not in portal.inventory.partition("infra_portal")[2]

        done(inventory_steps(site))
        done(handover.taken_steps(site))
        done(handover.kept_steps(site))
        assert done(handover.kept_steps(site)) == []
        assert "set-aside" not in " ".join(portal.files) and "ai:" not in portal.inventory
        assert "set aside" not in portal.inventory and "own:" in portal.inventory
        assert was != portal.inventory


@pytest.mark.parametrize("way", [by_entry, by_file])
def test_people_get_the_page_with_the_handover_and_none_once_it_is_given_back(
    way: Any, portal: Portal
) -> None:
    site = adopting(portal.double)
    with elsewhere(), way(portal):
        done(inventory_steps(site))
        files = portal.files
        prepare(site)
        assert portal.people() == ("502", "") and not portal.is_ours()

        done(entry_steps(site))
        page = ("503", str(RETRY_AFTER_S))
        assert until(portal.people, page.__eq__, within_s=10, every_s=0.1) == page
        assert close(site).changes == ()
        assert portal.asked() == "502"  # the machine itself gets past it: nothing runs there yet

        done(handover.back_steps(site))
        reopen(site)
        there = ("502", "")
        assert until(portal.people, there.__eq__, within_s=10, every_s=0.1) == there
        assert portal.files == files and not portal.is_ours()
        assert reopen(site).changes == ()
        portal.rendered()  # Pigsty's own playbook renders its entries anew
        assert portal.files == files and list(serving(site)) == ["ai.conf"]


@pytest.mark.parametrize("way", [by_entry, by_file])
def test_no_page_is_waited_for_where_no_server_includes_it(way: Any, portal: Portal) -> None:
    """As in a restore into an environment of which the portal has nothing yet."""
    site = adopting(portal.double)
    with way(portal):
        files = portal.files
        assert close(site).changes == () and reopen(site).changes == ()
        assert portal.files == files


def test_a_first_deploy_still_refuses_it(portal: Portal) -> None:
    site = adopting(portal.double)
    with by_file(portal):
        plain = Site(site.environment, site.release, site.secrets, site.node)
        with pytest.raises(StepError, match=r"ai\.pigsty is served by ai\.conf of the portal"):
            require_unused(plain)
        require_unused(site)


def test_an_entry_of_another_is_no_business_of_a_deploy(portal: Portal) -> None:
    site = adopting(portal.double)
    plain = Site(site.environment, site.release, site.secrets, site.node)
    with by_entry(portal), pytest.raises(ConfigError, match=r"serves 'ai\.pigsty' already"):
        done(inventory_steps(plain))


def test_a_file_nginx_refuses_is_found_again_by_the_next_run(portal: Portal) -> None:
    site = adopting(portal.double)
    with by_file(portal):
        done(handover.taken_steps(site))
        bad = portal.double.path("/etc/nginx/conf.d/bad.conf")
        bad.write_text("no_such_word;\n")
        with pytest.raises(StepError, match="nginx refuses"):
            done(handover.back_steps(site))
        bad.unlink()
        assert done(handover.back_steps(site)) == ["put back ai.conf of the portal"]
        assert list(serving(site)) == ["ai.conf"]


def killed(work: Callable[[], object]) -> None:
    """The work is done in a process that ends by SIGKILL right after it."""

    def until_the_end() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=until_the_end)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("way", [by_entry, by_file])
def test_what_nginx_has_not_read_is_seen_by_the_run_after_a_kill(way: Any, portal: Portal) -> None:
    """Killed between the new names of files and nginx's reload: all files are as they should be."""
    site = adopting(portal.double)

    def renamed() -> None:
        done(inventory_steps(site))
        done(handover.taken_steps(site))
        rendered = portal.double.run("./infra.yml", "-t", "nginx_config,nginx_cert")
        assert rendered.returncode == 0, rendered.stdout + rendered.stderr

    with way(portal):
        killed(renamed)
        assert list(serving(site)) == ["own.conf"] and not portal.is_ours()
        assert done(entry_steps(site)) == [f"serve {DOMAIN}"]
        assert portal.is_ours() and done(entry_steps(site)) == []

        aside = next(name for name in portal.files if "set-aside" in name)
        place = portal.double.path("/etc/nginx/conf.d")
        (place / aside).rename(place / "ai.conf")
        portal.rendered()
        until(portal.is_ours, lambda answer: not answer, within_s=10, every_s=0.1)
        killed(lambda: done(handover.taken_steps(site)))  # ours was there already
        assert not portal.is_ours()
        assert done(entry_steps(site)) == [f"serve {DOMAIN}"]
        assert portal.is_ours() and done(entry_steps(site)) == []


def test_other_names_of_what_is_set_aside_are_told(portal: Portal) -> None:
    site = adopting(portal.double)
    with by_file(portal):
        file = portal.double.path("/etc/nginx/conf.d/ai.conf")
        names = f"server_name www.{DOMAIN} {DOMAIN} a.pigsty;"
        file.write_text(file.read_text().replace(f"server_name {DOMAIN};", names))
        (change,) = handover.TakenFiles(site).plan(handover.TakenFiles(site).observe())
        assert change.what == (
            f"set aside ai.conf of the portal; no longer served: a.pigsty, www.{DOMAIN}"
        )


def test_a_reload_that_nginx_does_not_do_is_told_in_its_own_words(portal: Portal) -> None:
    site = adopting(portal.double)
    pid = portal.double.path("/run/nginx.pid")
    kept = pid.rename(pid.with_suffix(".kept"))
    try:
        for reload in (nginx.Beside(site).load, partial(nginx.load, site)):
            with pytest.raises(StepError, match=r"does not read its files: .*nginx\.pid"):
                reload()
    finally:
        kept.rename(pid)
