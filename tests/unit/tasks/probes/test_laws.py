"""Laws that every probe of every room keeps."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.dify import Dify
from config.load import ROOT, load_environment, load_release
from config.rules.restore_point import Manifest
from config.secrets import generate
from tasks.core.site import Site
from tasks.points.restored import Proof
from tasks.probes.connections.all import probes as connections
from tasks.probes.engine import Probe
from tasks.probes.health.groups import GROUPS
from tasks.probes.health.groups import probes as health
from tasks.probes.health.probe import Past
from tasks.probes.preflight.checks import probes as preflight
from tasks.probes.preflight.checks import schema
from tasks.probes.verify.application import Trial
from tasks.probes.verify.run import every_probe
from tasks.upgrades import old_data

# A statement or an address: what a probe puts to somebody.
ASKED = re.compile(r"\b(SELECT|SHOW)\b|https?://")
SET_UP = Manifest.model_construct(rows={"accounts": 1})
ROOMS = ("preflight", "verify", "health", "connections")


def of_verify(site: Site) -> list[Probe]:
    with Dify(site.environment.public_url, site.release.api) as dify:
        trial = Trial(site, dify)
        return [*every_probe(site, dify, deep=True), *trial.probes(), trial.removal()]


def of_a_restored_point(site: Site) -> list[Probe]:
    with Dify(site.environment.public_url, site.release.api) as dify:
        return list(Proof(site, SET_UP, dify).probes())


def of_old_data(site: Site) -> list[Probe]:
    with Dify(site.environment.public_url, site.release.api) as dify:
        return old_data.probes(site, dify)


EVERY = {
    "preflight": lambda site: [*preflight(site), schema(site)],
    "verify": of_verify,
    "health": lambda site: health(site, Past()),
    "connections": connections,
    "restored": of_a_restored_point,
    "old data": of_old_data,
}


def asked(environment: str, room: str) -> list[Probe]:
    desired = load_environment(environment)
    release = load_release(desired.dify.release)
    return EVERY[room](Site(desired, release, generate(release, {})))


@pytest.fixture(params=["sandbox", "recipe"])
def environment(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=EVERY)
def probes(environment: str, request: pytest.FixtureRequest) -> list[Probe]:
    return asked(environment, request.param)


def test_there_are_probes(probes: list[Probe]) -> None:
    assert probes


def test_a_probe_has_a_deadline(probes: list[Probe]) -> None:
    assert [probe.name for probe in probes if not 0 < probe.within_s < 7201] == []


def test_a_probe_has_an_advice(probes: list[Probe]) -> None:
    assert [probe.name for probe in probes if not probe.advice] == []


def test_a_probe_has_its_own_name(probes: list[Probe]) -> None:
    names = [(probe.where, name) for probe in probes for name in probe.answers or (probe.name,)]
    assert len(names) == len(set(names))


def test_what_a_probe_needs_is_asked_and_never_in_a_circle(probes: list[Probe]) -> None:
    """In the order of the probes each need comes before."""
    needs = {(probe.where, probe.name): set(probe.needs) for probe in probes}
    done: set[tuple[str, str]] = set()
    while ready := {
        at for at, of in needs.items() if at not in done and all((at[0], n) in done for n in of)
    }:
        done |= ready
    assert done == set(needs)


def test_what_explains_a_probe_is_one_of_the_room(probes: list[Probe]) -> None:
    known = {name for probe in probes for name in probe.answers}
    needed = {need for probe in probes for of in probe.answers.values() for need in of}
    assert needed <= known


def test_health_asks_about_every_subject_of_its_folder() -> None:
    named = {Path(str(each.__file__)).name for group in GROUPS.values() for each in group}
    have = {
        file.name
        for file in (ROOT / "tasks/probes/health").glob("*.py")
        if "\ndef probes(" in file.read_text(encoding="utf-8")
    }
    assert have - {"groups.py"} == named, "in no group of tasks/probes/health/groups.py"


def test_verify_asks_no_less_than_ever() -> None:
    assert len(asked("sandbox", "verify")) == 29


def texts(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode()
            if ASKED.search(text):
                yield text


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_knows_another(room: str) -> None:
    imported = {
        node.module
        for file in (ROOT / "tasks/probes" / room).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    others = tuple(f"tasks.probes.{other}" for other in ROOMS if other != room)
    assert [module for module in sorted(imported) if module.startswith(others)] == []


def test_nothing_is_asked_in_two_rooms() -> None:
    folder = ROOT / "tasks/probes"
    found = {
        room: {text for file in (folder / room).glob("*.py") for text in texts(file)}
        for room in ROOMS
    }
    several = {
        text for room, own in found.items() for other in ROOMS if other != room
        for text in own & found[other]
    }  # fmt: skip
    assert several == set()
