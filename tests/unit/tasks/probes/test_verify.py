"""How checks are run and told: order, dependence, deadlines, and one error for all that failed."""

import threading
import time
from collections.abc import Callable

import pytest

from config.errors import RolloutError
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.probes.verify import containers, portal
from tasks.probes.verify.probe import Check, Probe, Wrong, run
from tasks.probes.verify.run import failed


def fine() -> str:
    return "seen"


def broken() -> str:
    raise Wrong("it is red", "paint it green")


def asked(*probes: Probe) -> list[Check]:
    return run(probes, lambda _: None)


def site(release: str = "1.15.0") -> Site:
    return Site(load_environment("sandbox"), load_release(release), {})


def test_checks_come_in_the_order_of_the_probes_whichever_ends_first():
    other_heard = threading.Event()

    def slow() -> str:
        assert other_heard.wait(30)
        return "late"

    heard: list[str] = []

    def hear(check: Check) -> None:
        heard.append(check.name)
        other_heard.set()

    probes = [Probe("a", slow), Probe("b", fine)]
    checks = run(probes, hear)
    assert [check.name for check in checks] == ["a", "b"]
    assert heard == ["b", "a"]
    assert [check.detail for check in checks] == ["late", "seen"]


def test_what_does_not_need_each_other_runs_side_by_side():
    meeting = threading.Barrier(3, timeout=5)

    def meet() -> str:
        meeting.wait()
        return "met"

    assert all(check.ok for check in asked(*(Probe(name, meet) for name in "abc")))


def test_what_is_needed_runs_before():
    seen: list[str] = []

    def note(name: str) -> Callable[[], str]:
        def ask() -> str:
            seen.append(name)
            return name

        return ask

    asked(Probe("c", note("c"), ("b",)), Probe("b", note("b"), ("a",)), Probe("a", note("a")))
    assert seen == ["a", "b", "c"]


def test_what_depends_on_a_failure_is_not_checked_and_names_its_root():
    called: list[str] = []

    def call() -> str:
        called.append("x")
        return "x"

    checks = asked(
        Probe("door", broken),
        Probe("hall", call, ("door",)),
        Probe("attic", call, ("hall",)),
        Probe("garden", fine),
    )
    assert called == []
    assert [(c.ok, c.checked, c.detail) for c in checks] == [
        (False, True, "it is red"),
        (False, False, "not checked: door failed"),
        (False, False, "not checked: door failed"),
        (True, True, "seen"),
    ]


def test_a_probe_that_hangs_is_given_up_at_its_deadline_and_holds_nobody():
    stop = threading.Event()

    def hang() -> str:
        stop.wait(20)
        return "too late"

    began = time.monotonic()
    checks = asked(Probe("hung", hang, within_s=0.1, advice="push it"), Probe("other", fine))
    stop.set()
    assert time.monotonic() - began < 5
    assert (checks[0].ok, checks[0].detail) == (
        False,
        "no result within 0.1 s; nodes.patience raises this limit",
    )
    assert checks[0].advice == "push it"
    assert checks[1].ok


def test_a_limit_is_taken_times_the_patience_of_the_environment():
    def slow() -> str:
        time.sleep(0.2)
        return "late"

    probe = Probe("slow", slow, within_s=0.05)
    [hasty], [patient] = (run([probe], lambda _: None, patience=times) for times in (1, 40))
    assert (hasty.ok, patient.ok, patient.detail) == (False, True, "late")


def test_any_exception_is_a_failed_check_in_one_line():
    def typo() -> str:
        raise KeyError("step")

    def known() -> str:
        raise RolloutError("PostgreSQL at x:1 does not answer: refused")

    def many_lines() -> str:
        raise ValueError("first\nsecond")

    details = [c.detail for c in asked(*(Probe(str(i), f) for i, f in enumerate((typo, known))))]
    assert details == ["KeyError: 'step'", "PostgreSQL at x:1 does not answer: refused"]
    assert asked(Probe("x", many_lines))[0].detail == "ValueError: first"


def test_the_answers_own_advice_comes_before_the_probes():
    assert asked(Probe("x", broken, advice="general"))[0].advice == "paint it green"


def test_nothing_failed_is_no_error():
    assert failed(asked(Probe("a", fine))) is None


def test_all_failures_are_one_error_that_says_what_to_do():
    checks = asked(Probe("red", broken), Probe("also red", broken), Probe("behind", fine, ("red",)))
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
    assert containers.beats(site(release)) == names


@pytest.mark.parametrize(
    ("kind", "place"),
    [("sandbox", ("127.0.0.1", 8443)), ("pigsty", ("10.10.10.10", 8443)), ("external", None)],
)
def test_only_a_portal_of_others_is_looked_up_in_dns(kind: str, place: tuple[str, int] | None):
    made = site()
    platform = made.environment.platform.model_copy(update={"kind": kind})
    made.environment = made.environment.model_copy(update={"platform": platform})
    assert portal.place(made) == place
