"""Damping, alerts and memory: what many runs make of single answers."""

from collections.abc import Sequence

import pytest

from config.load import load_environment
from config.rules.finding import Finding, Status
from config.rules.health.record import (
    DAY_S,
    SPELLS,
    Known,
    Record,
    alerts,
    contradicts,
    counted,
    forgotten,
    settled,
)
from config.rules.health.series import Series

HEALTH = load_environment("sandbox").health.model_copy(update={"confirm": [2, 3]})
OK, UNKNOWN, WARN, FAIL = Status.OK, Status.UNKNOWN, Status.WARN, Status.FAIL
NAMES = {"o": OK, "u": UNKNOWN, "w": WARN, "f": FAIL}


def played(answers: str, *, every_s: float = 300) -> list[str]:
    """What is told after each answer, one letter an answer."""
    record, told = Record(), []
    for turn, letter in enumerate(answers):
        now = 1000.0 + turn * every_s
        findings = [Finding("redis", NAMES[letter], "said")]
        after = counted(record, findings, HEALTH, now)
        found, record = alerts(record, after, findings, HEALTH, now)
        told.append(found[0].kind if found else "")
    return told


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("oooo", ["", "", "", ""]),
        ("ff", ["", "failed"]),
        ("fff", ["", "failed", ""]),
        ("fofooo", ["", "", "failed", "", "recovered", ""]),
        ("oofooo", [""] * 6),
        ("ffoffoo", ["", "failed", "", "", "", "", "recovered"]),
        ("wwffoo", ["", "warned", "", "failed", "", "recovered"]),
        ("wfo", ["", "warned", ""]),
        ("uuoo", ["", "unknown", "", "recovered"]),
        ("ffwwoo", ["", "failed", "", "", "", "recovered"]),
        ("ffwwff", ["", "failed", "", "", "", "failed"]),
    ],
)
def test_only_confirmed_changes_are_told(answers: str, told: Sequence[str]):
    assert played(answers) == told


def test_one_answer_of_many_never_alarms():
    """Any single bad answer, wherever it falls."""
    for place in range(20):
        answers = "o" * place + "f" + "o" * (20 - place)
        assert not any(played(answers)), answers


def test_a_probe_that_flaps_for_ever_is_told_once():
    assert [kind for kind in played("fo" * 100, every_s=60) if kind] == ["failed"]


def test_a_failure_that_lasts_is_repeated():
    hours = int(HEALTH.repeat_h)
    told = played("f" * (3 * hours * 12), every_s=300)
    assert told[1] == "failed"
    assert [kind for kind in told if kind] == ["failed", "still-failing", "still-failing"]


def test_a_warning_that_lasts_is_not():
    assert [kind for kind in played("w" * 1000) if kind] == ["warned"]


@pytest.mark.parametrize("confirm", [1, 2, 5])
def test_what_is_known_follows_enough_equal_answers(confirm: int):
    for status in Status:
        assert settled(OK, (status,) * confirm, confirm) is status
        assert settled(FAIL, (status,) * confirm, confirm) is status


def test_an_explained_answer_does_not_count():
    record = Record(probes={"api": Known(status=OK, since=5, answers=(OK, OK))})
    findings = [Finding("api", FAIL, "", because="postgres")]
    after = counted(record, findings, HEALTH, 900)
    assert after.probes["api"] == record.probes["api"]
    assert alerts(record, after, findings, HEALTH, 900)[0] == []


def test_what_contradicts_is_worth_asking_again():
    assert contradicts(Finding("a", FAIL, ""), None)
    assert not contradicts(Finding("a", OK, ""), None)
    assert not contradicts(Finding("a", FAIL, ""), Known(status=FAIL))
    assert contradicts(Finding("a", OK, ""), Known(status=FAIL))
    assert not contradicts(Finding("a", FAIL, "", because="b"), None)


def test_since_is_when_the_change_was_confirmed_and_spells_are_kept():
    record = Record()
    for turn, letter in enumerate("ooffoo"):
        record = counted(record, [Finding("a", NAMES[letter], "")], HEALTH, float(turn))
    known = record.probes["a"]
    assert (known.status, known.since) == (OK, 5.0)
    assert [(spell.since, spell.status) for spell in known.spells] == [(0, OK), (3, FAIL), (5, OK)]


def test_a_month_of_flapping_stays_small():
    record, now = Record(), 0.0
    for turn in range(20_000):
        now += 300
        finding = Finding("a", FAIL if turn // 2 % 2 else OK, "")
        record = forgotten(counted(record, [finding], HEALTH, now), ["a"], now)
    assert len(record.probes["a"].spells) == SPELLS
    assert len(record.model_dump_json()) < 20_000


def test_what_is_old_or_no_longer_asked_is_forgotten():
    record = Record(
        probes={"a": Known(), "gone": Known()},
        series={
            "old": Series(at=(1.0,), values=(2.0,)),
            "new": Series(at=(DAY_S * 40,), values=(1,)),
        },
    )
    kept = forgotten(record, ["a"], DAY_S * 40)
    assert set(kept.probes) == {"a"} and set(kept.series) == {"new"}


def test_a_record_is_read_as_it_was_written():
    record = counted(
        Record(notes={"queue a": 3.0, "job": "x"}), [Finding("a", WARN, "")], HEALTH, 7
    )
    assert Record.model_validate_json(record.model_dump_json()) == record
