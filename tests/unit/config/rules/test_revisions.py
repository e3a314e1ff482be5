"""Which way a database and a release differ; the lists are Alembic's own, of Dify 1.15 and 0.6."""

import pytest

from config.load import load_release
from config.rules.revisions import Fit, fit, number, parse_history

LISTED = """\
INFO  [app_factory.py:94] Finished create_migrations_app (812 ms)
a4f2d8c9b731, 227822d22895 -> d9e8f7a6b5c4 (head) (mergepoint), add agent, and -> more
227822d22895 -> a4f2d8c9b731 (branchpoint), two
<base> -> 227822d22895, init
"""
# What Flask-Migrate 4.1 with Alembic 1.20 printed of five revisions, one of them merging two.
FORK = """\
2026-11-27 04:00:00.000 INFO [MainThread] something on stdout -> not a revision
6b5f9f8b1a2c -> 0ab1c2d3e4f5 (head), last
second line
2024_01_b1, d9e8f7a6b5c4 -> 6b5f9f8b1a2c (mergepoint), merge two
64b051264f32 -> 2024_01_b1, branch1
64b051264f32 -> d9e8f7a6b5c4, a, with: comma (head) -> odd
<base> -> 64b051264f32 (branchpoint), init
"""
KNOWN = ("d9e8f7a6b5c4", "a4f2d8c9b731", "227822d22895")
HEADS = {"0.6.11": "7b45942e39bb", "1.13.2": "6b5f9f8b1a2c", "1.15.0": "d9e8f7a6b5c4"}
NEW = load_release("1.15.0")
OLD = load_release("0.6.11")


def test_a_history_is_read_with_its_head_first() -> None:
    assert parse_history(LISTED) == KNOWN


def test_a_history_with_a_merge_and_a_name_that_is_no_number_is_read_whole() -> None:
    known = ("0ab1c2d3e4f5", "6b5f9f8b1a2c", "2024_01_b1", "d9e8f7a6b5c4", "64b051264f32")
    assert parse_history(FORK) == known


@pytest.mark.parametrize(
    "text",
    ["", "Traceback", "<base> -> 227822d22895, init", LISTED + LISTED.replace("d9e8", "1111")],
    ids=["nothing", "no list", "no head", "two heads"],
)
def test_without_exactly_one_head_nothing_is_known(text: str) -> None:
    assert parse_history(text) == ()


@pytest.mark.parametrize(
    ("revision", "release", "known", "found"),
    [
        ("d9e8f7a6b5c4", NEW, KNOWN, Fit.SAME),
        ("227822d22895", NEW, KNOWN, Fit.OLDER),
        ("6f5a9c2d8e1b", NEW, KNOWN, Fit.NEWER),
        # The image counts, whatever the files say.
        ("6b5f9f8b1a2c", NEW, KNOWN, Fit.NEWER),
        # Before it is here, the files have to do.
        ("d9e8f7a6b5c4", NEW, (), Fit.SAME),
        ("6b5f9f8b1a2c", NEW, (), Fit.OLDER),
        ("d9e8f7a6b5c4", OLD, (), Fit.NEWER),
        ("6b5f9f8b1a2c", OLD, (), Fit.NEWER),
        ("6f5a9c2d8e1b", NEW, (), Fit.OPEN),
    ],
)
def test_how_a_revision_fits(revision, release, known, found) -> None:
    assert fit(revision, release, known, HEADS) is found


def test_a_revision_that_two_releases_share_is_of_the_older_one() -> None:
    """1.14.1 and 1.14.2 have one head: the older of them serves the newer one's database."""
    release = NEW.model_copy(update={"version": "1.14.1"})
    heads = {"1.14.1": "a4f2d8c9b731", "1.14.2": "a4f2d8c9b731"}
    assert fit("a4f2d8c9b731", release, (), heads) is Fit.OLDER


def test_versions_sort_by_age() -> None:
    assert number("1.9.2") < number("1.13.0") < number("1.13.10-fix1")
