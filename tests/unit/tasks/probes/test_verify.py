"""What failed as one error, and where the portal is asked for."""

import pytest

from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong, ask_all
from tasks.probes.subjects import portal
from tasks.probes.subjects.containers import beats
from tasks.probes.verify.run import failed


def fine() -> str:
    return "seen"


def broken() -> str:
    raise Wrong("it is red", "paint it green")


def site(release: str = "1.15.0") -> Site:
    return Site(load_environment("sandbox"), load_release(release), {})


def test_nothing_failed_is_no_error():
    assert failed(ask_all([Probe("a", fine)], patience=1)) is None


def test_all_failures_are_one_error_that_says_what_to_do():
    checks = ask_all(
        [Probe("red", broken), Probe("also red", broken), Probe("behind", fine, ("red",))],
        patience=1,
    )
    error = failed(checks)
    assert error is not None
    assert str(error) == (
        "verify: 2 of 3 checks failed\n"
        "  red: no, it is red\n"
        "  also red: no, it is red\n"
        "  1 more could not be checked because of that\n"
        "  do: paint it green"
    )


@pytest.mark.parametrize(("release", "names"), [("1.15.0", ["worker_beat"]), ("0.6.11", [])])
def test_the_beat_is_known_by_its_mode(release: str, names: list[str]):
    assert beats(site(release)) == names


@pytest.mark.parametrize(
    ("kind", "place"),
    [("sandbox", ("127.0.0.1", 8443)), ("pigsty", ("10.10.10.10", 8443)), ("external", None)],
)
def test_only_a_portal_of_others_is_looked_up_in_dns(kind: str, place: tuple[str, int] | None):
    made = site()
    platform = made.environment.platform.model_copy(update={"kind": kind})
    environment = made.environment.model_copy(update={"platform": platform})
    assert portal.place(made.replace(environment=environment)) == place
