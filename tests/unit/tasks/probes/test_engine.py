"""How probes are asked: order, dependence, deadlines, silence and surprises."""

import threading
import time
from collections.abc import Callable, Sequence

from clients.redis import RedisRefused, RedisUnreachable
from config.errors import RolloutError
from config.rules.finding import Finding, Reading, Status
from tasks.probes.engine import NotAsked, NotYet, Probe, Wrong, ask_all


def fine() -> str:
    return "seen"


def broken() -> str:
    raise Wrong("it is red", "paint it green")


def asked(*probes: Probe) -> list[Finding]:
    return ask_all(probes, patience=1)


def test_findings_come_in_the_order_of_the_probes_whichever_ends_first():
    other_heard = threading.Event()

    def slow() -> str:
        assert other_heard.wait(30)
        return "late"

    heard: list[str] = []

    def hear(finding: Finding) -> None:
        heard.append(finding.probe)
        other_heard.set()

    probes = [Probe("a", slow), Probe("b", fine)]
    found = ask_all(probes, patience=10, on_finding=hear)
    assert [each.probe for each in found] == ["a", "b"]
    assert heard == ["b", "a"]
    assert [each.said for each in found] == ["late", "seen"]


def test_what_does_not_need_each_other_runs_side_by_side():
    meeting = threading.Barrier(3, timeout=30)

    def meet() -> str:
        meeting.wait()
        return "met"

    assert all(each.ok for each in asked(*(Probe(name, meet) for name in "abc")))


def test_what_is_needed_runs_before():
    seen: list[str] = []

    def note(name: str) -> Callable[[], str]:
        def ask() -> str:
            seen.append(name)
            return name

        return ask

    asked(Probe("c", note("c"), ("b",)), Probe("b", note("b"), ("a",)), Probe("a", note("a")))
    assert seen == ["a", "b", "c"]


def test_what_depends_on_a_failure_is_not_asked_and_names_its_root():
    called: list[str] = []

    def call() -> str:
        called.append("x")
        return "x"

    found = asked(
        Probe("door", broken),
        Probe("hall", call, ("door",)),
        Probe("attic", call, ("hall",)),
        Probe("garden", fine),
    )
    assert called == []
    assert [(each.ok, each.at_fault, each.said) for each in found] == [
        (False, True, "it is red"),
        (False, False, "not checked: door failed"),
        (False, False, "not checked: door failed"),
        (True, False, "seen"),
    ]


def test_a_probe_that_hangs_is_given_up_at_its_deadline_and_holds_nobody():
    stop = threading.Event()

    def hang() -> str:
        stop.wait(20)
        return "too late"

    began = time.monotonic()
    found = asked(Probe("hung", hang, within_s=0.1, advice="push it"), Probe("other", fine))
    stop.set()
    assert time.monotonic() - began < 5
    assert (found[0].ok, found[0].said) == (
        False,
        "no answer within 0.1 s; nodes.patience raises this limit",
    )
    assert found[0].advice == "push it"
    assert found[1].ok


def test_a_limit_is_taken_times_the_patience_of_the_environment():
    def slow() -> str:
        time.sleep(0.2)
        return "late"

    probe = Probe("slow", slow, within_s=0.05)
    [hasty], [patient] = (ask_all([probe], patience=times) for times in (1, 40))
    assert (hasty.ok, patient.ok, patient.said) == (False, True, "late")


def test_any_exception_is_a_finding_in_one_line():
    def typo() -> str:
        raise KeyError("step")

    def known() -> str:
        raise RolloutError("PostgreSQL at x:1 does not answer: refused")

    def many_lines() -> str:
        raise ValueError("first\nsecond")

    said = [each.said for each in asked(*(Probe(str(i), f) for i, f in enumerate((typo, known))))]
    assert said == ["KeyError: 'step'", "PostgreSQL at x:1 does not answer: refused"]
    assert asked(Probe("x", many_lines))[0].said == "ValueError: first"


def test_the_answers_own_advice_comes_before_the_probes():
    assert asked(Probe("x", broken, advice="general"))[0].advice == "paint it green"


ANSWERS = {"redis": ("machine",), "redis memory": ("redis",)}


def several(
    ask: Callable[[], Sequence[Reading]], *, within_s: float = 5
) -> dict[str, tuple[Status, str, str]]:
    """What one way of asking that answers two probes comes to."""
    probe = Probe("redis", ask, within_s=within_s, advice="start it", answers=ANSWERS)
    return {each.probe: (each.status, each.said, each.advice) for each in asked(probe)}


def test_readings_are_judged():
    used = Reading("redis memory", "used", 95.0, "%", (75, 90))
    found = several(lambda: [Reading("redis", "up"), used])
    assert found["redis"] == (Status.OK, "up", "")
    assert found["redis memory"][0] is Status.FAIL


def test_what_was_not_read_is_unknown():
    assert several(lambda: [Reading("redis", "up")])["redis memory"][0] is Status.UNKNOWN


def test_a_reading_nobody_expected_is_a_finding_too():
    found = several(lambda: [Reading("redis", "up"), Reading("more", "seen")])
    assert list(found) == ["redis", "redis memory", "more"]


def test_a_refusal_is_a_failure_with_the_advice_of_whoever_refused():
    def refused() -> Sequence[Reading]:
        raise Wrong("closed", "open it")

    found = several(refused)
    assert found["redis"] == (Status.FAIL, "closed", "open it")
    assert found["redis memory"][0] is Status.UNKNOWN


def test_a_surprise_is_unknown_never_ok():
    def surprised() -> Sequence[Reading]:
        raise KeyError("role")

    status, said, _ = several(surprised)["redis"]
    assert status is Status.UNKNOWN and "KeyError" in said


def test_who_does_not_answer_in_time_is_not_waited_for():
    free = threading.Event()

    def slow() -> Sequence[Reading]:
        free.wait(20)
        return []

    began = time.monotonic()
    found = several(slow, within_s=0.2)
    free.set()
    assert time.monotonic() - began < 2
    late = "no answer within 0.2 s; nodes.patience raises this limit"
    assert found["redis"] == (Status.FAIL, late, "start it")


def test_what_would_explain_does_not_delay():
    """What answers depend on is judged afterwards; only needs are waited for."""
    together = threading.Barrier(3, timeout=30)

    def met() -> str:
        together.wait()
        return "met"

    probes = [Probe(name, met, answers={name: ("a",)}) for name in "abc"]
    assert [finding.status for finding in asked(*probes)] == [Status.OK] * 3


def test_what_cannot_be_asked_yet_is_nobodys_fault():
    def later() -> str:
        raise NotYet("no password yet", because="first deploy")

    [found] = asked(Probe("redis", later))
    assert (found.status, found.because, found.at_fault) == (
        Status.UNKNOWN, "first deploy", False,
    )  # fmt: skip


def test_what_broke_off_is_neither_good_nor_bad():
    def broken_off() -> str:
        raise NotAsked("could not be asked: curl printed 1 of 2 lines")

    [found] = asked(Probe("sandbox", broken_off, advice="look at its log"))
    assert (found.status, found.at_fault) == (Status.UNKNOWN, True)
    assert str(found) == ("sandbox: could not be asked: curl printed 1 of 2 lines; look at its log")


def test_a_need_is_of_the_same_place():
    found = asked(
        Probe("machine", broken, where="one"),
        Probe("machine", fine, where="two"),
        Probe("images", fine, ("machine",), where="one"),
        Probe("images", fine, ("machine",), where="two"),
    )
    assert [(each.where, each.ok) for each in found] == [
        ("one", False), ("two", True), ("one", False), ("two", True),
    ]  # fmt: skip


def test_a_need_nobody_asks_for_holds_nothing_up():
    assert asked(Probe("images", fine, ("machine",)))[0].ok


def test_a_message_of_several_lines_is_one_sentence():
    def stopped() -> str:
        raise RolloutError("pgsql: refused\n  tried: SELECT 1\n  do: let it in")

    assert asked(Probe("x", stopped))[0].said == "pgsql: refused tried: SELECT 1; let it in"


def test_a_failure_passes_if_its_error_does():
    def failing(error: Exception) -> Finding:
        def ask() -> str:
            raise error

        [found] = ask_all([Probe("redis", ask)], patience=1)
        return found

    assert failing(RedisUnreachable("Redis at 10.0.0.2:6379 does not answer")).passes
    assert not failing(RedisRefused("Redis refuses 10.0.0.2:6379")).passes
