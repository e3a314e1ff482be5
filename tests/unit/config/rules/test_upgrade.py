"""The way between two releases: what refuses it, and which hand steps lie on it."""

import pytest

from config.hand_steps import HandStep
from config.load import load_history, load_release, release_names
from config.rules.revisions import number
from config.rules.upgrade import (
    Hop,
    all_steps,
    by_hand_refused,
    crossed,
    direction,
    downtime_s,
    marketplace_refused,
    newest_above,
    postgres_refused,
    revision_refused,
    room_refused,
    unknown_between,
)

HISTORY = load_history()
FILES = {name: load_release(name).steps for name in release_names()}
STEPS = all_steps(HISTORY, FILES)
FOREIGN = {each.revision: each.of for each in HISTORY.foreign}


@pytest.mark.parametrize(
    ("runs", "wanted"),
    [("1.9.2", "1.17.1"), ("1.17.0", "1.17.1"), ("1.17.1", ""), ("1.18.0", ""), ("", "")],
)
def test_the_newest_release_is_the_one_above_what_runs(runs: str, wanted: str) -> None:
    assert newest_above(runs, ["1.9.2", "1.17.1", "1.16.1"]) == wanted
    assert newest_above(runs, []) == ""


def hop(old: str, new: str) -> Hop:
    return Hop("prod", old, new)


def names(old: str, new: str) -> list[str]:
    return [step.name for step in crossed(STEPS, hop(old, new))]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("1.15.0", "1.17.1", []),
        ("1.14.2", "1.15.0", ["backfill-plugin-auto-upgrade"]),
        ("1.14.2", "1.17.0", ["backfill-plugin-auto-upgrade", "legacy-model-types"]),
        ("1.14.2", "1.17.1", ["backfill-plugin-auto-upgrade"]),
        ("1.13.3", "1.14.0", ["no-duplicate-plugins"]),
        ("1.8.1", "1.9.2", ["transform-datasource-credentials"]),
        ("1.9.0", "1.9.2", []),
        (
            "0.6.11",
            "1.15.0",
            [
                "install-plugins",
                "migrate-data-for-plugin",
                "old-metadata-migration",
                "transform-datasource-credentials",
                "no-duplicate-plugins",
                "backfill-plugin-auto-upgrade",
            ],
        ),
    ],
)
def test_steps_are_those_of_every_version_that_is_crossed(
    old: str, new: str, wanted: list[str]
) -> None:
    assert names(old, new) == wanted


def test_steps_of_a_release_file_and_of_the_history_are_in_the_order_of_versions() -> None:
    assert list(STEPS) == sorted(STEPS, key=number)
    assert set(release_names()) <= set(STEPS)


def test_the_heads_of_the_history_are_those_of_the_release_files() -> None:
    heads = {each.version: each.head for each in HISTORY.releases}
    for name in release_names():
        assert heads[name] == load_release(name).migration.head


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("", "1.15.0", "nothing is deployed in prod"),
        ("1.15.0", "1.15.0", "Dify 1.15.0 runs already"),
        ("1.16.1", "1.15.0", "Dify 1.15.0 is older than 1.16.1, which runs"),
        ("1.9.0", "1.10.0", ""),
        ("0.15.3", "1.0.0", ""),
    ],
)
def test_a_release_is_only_reached_from_an_older_one(old: str, new: str, why: str) -> None:
    found = direction(hop(old, new))
    assert (found.why if found else "").startswith(why) and bool(found) == bool(why)


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("1.15.0", "1.17.1", ""),
        ("1.17.1", "1.18.0", ""),
        ("1.17.1", "1.20.0", "1.18, 1.19"),
        ("0.6.11", "1.17.1", ""),
        ("1.17.1", "2.1.0", "2.0"),
    ],
)
def test_no_version_is_crossed_whose_steps_are_not_known(old: str, new: str, missing: str) -> None:
    found = unknown_between(list(STEPS), hop(old, new))
    assert bool(found) == bool(missing)
    assert found is None or f"hand steps of Dify {missing}, between {old} and {new}" in found.why


@pytest.mark.parametrize(
    ("revisions", "why"),
    [
        (["d9e8f7a6b5c4"], ""),
        ([], ""),
        (["d9e8f7a6b5c4", "a1b2c3d4e5f6"], "at 2 revisions at once (a1b2c3d4e5f6, d9e8f7a6b5c4)"),
        (["b45e25c2d166"], "at revision b45e25c2d166 of 2.0.0-beta"),
        (["0123456789ab"], "which neither Dify 1.15.0 nor 1.17.1 knows"),
    ],
)
def test_a_schema_that_no_release_goes_on_from_is_refused(revisions: list[str], why: str) -> None:
    known = ["c3f1a9b2e6d4", "d9e8f7a6b5c4"]
    found = revision_refused(revisions, known, FOREIGN, hop("1.15.0", "1.17.1"))
    assert bool(found) == bool(why)
    assert found is None or (why in found.why and "rollout backup list prod" in found.do)


def test_a_revision_is_not_called_unknown_while_no_image_was_asked() -> None:
    assert revision_refused(["0123456789ab"], (), FOREIGN, hop("1.15.0", "1.17.1")) is None


def test_postgresql_out_of_range_is_refused() -> None:
    needs = load_release("1.15.0").postgres
    assert postgres_refused(16, needs, hop("1.13.2", "1.15.0")) is None
    found = postgres_refused(18, needs, hop("1.13.2", "1.15.0"))
    assert found and "PostgreSQL 18 is not one Dify 1.15.0 runs on" in found.why
    assert "13 to 17" in found.do


def test_a_place_without_room_for_the_databases_is_named() -> None:
    [found] = room_refused({"/data": 5_000_000_000, "/backup": 40_000_000_000}, 20_000_000_000)
    assert found.why.startswith("/data has 5.0 GB free, and the databases hold 20.0 GB")


def test_a_step_without_its_marketplace_is_refused_unless_it_is_optional() -> None:
    way = hop("0.15.3", "1.9.0")
    steps = crossed(STEPS, way)
    assert marketplace_refused(steps, reached=True, hop=way) == []
    refused = marketplace_refused(steps, reached=False, hop=way)
    assert [found.why.split(",")[0] for found in refused] == [
        "install-plugins",
        "transform-datasource-credentials",
    ]
    optional = [step.model_copy(update={"optional": True}) for step in steps]
    assert marketplace_refused(optional, reached=False, hop=way) == []


def test_what_a_person_has_to_do_says_what() -> None:
    [step] = [step for step in crossed(STEPS, hop("1.13.3", "1.14.0")) if step.person]
    [found] = by_hand_refused([step])
    assert "no-duplicate-plugins" in found.why and "delete the older row" in found.do


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sql": "SELECT 1", "person": "do it"}, "2 of run, sql, person"),
        ({}, "0 of run, sql, person"),
        ({"person": "do it", "when": "after"}, "expected when = 'before'"),
    ],
)
def test_a_step_is_done_in_one_way(changes: dict[str, str], complaint: str) -> None:
    tree = {"name": "a", "why": "b", "when": "before", "done": {"query": "SELECT 1", "wanted": "1"}}
    with pytest.raises(ValueError, match=complaint):
        HandStep.model_validate(tree | changes)


def test_large_tables_make_the_downtime_longer() -> None:
    assert downtime_s({}, 0) == 60
    assert downtime_s({"messages": 3_000_000_000}, 6_000_000_000) == 360
    assert downtime_s({"messages": 3_000_000_000}, 60_000_000_000) == 160


def test_a_release_runs_beside_older_ones_that_are_known() -> None:
    for name in release_names():
        release = load_release(name)
        assert release.beside(name)
        for older in release.overlap_from:
            assert release.beside(older)
            assert older in STEPS and number(older) < number(name)
    assert not load_release("1.17.1").beside("1.16.1")
