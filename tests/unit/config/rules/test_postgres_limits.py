"""What binds Dify's role, and the statement that takes it away."""

import pytest

from config.rules.postgres_limits import NONE, Limits, cannot_write, too_few

NEEDED = {"dify": 100, "dify_plugin": 30}


def limits(**found: object) -> Limits:
    free = {
        "role": "d",
        "database": "dify",
        "read_only": False,
        "source": "default",
        "of_role": NONE,
        "of_databases": {"dify": NONE, "dify_plugin": NONE},
        "room": 197,
    }
    return Limits(**{**free, **found})


def test_without_limits_nothing_is_in_the_way() -> None:
    assert [*cannot_write(limits()), *too_few(limits(), NEEDED)] == []


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("database", 'ALTER DATABASE "dify" RESET default_transaction_read_only;'),
        ("user", 'ALTER ROLE "d" RESET default_transaction_read_only;'),
        ("database user", 'ALTER ROLE "d" IN DATABASE "dify" RESET default_transaction_read_only;'),
        ("configuration file", "ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_"),
    ],
)
def test_read_only_is_said_with_where_it_comes_from(source: str, statement: str) -> None:
    (found,) = cannot_write(limits(read_only=True, source=source))
    assert source in found.cause
    assert statement in found.advice


@pytest.mark.parametrize(
    ("found", "causes"),
    [
        ({"of_role": 10}, ["role d may have 10 connections, Dify may open 130"]),
        ({"of_role": 130}, []),
        (
            {"of_databases": {"dify": 10, "dify_plugin": 29}},
            [
                "database dify takes 10 connections, Dify may open 100",
                "database dify_plugin takes 29 connections, Dify may open 30",
            ],
        ),
        ({"room": 97}, ["the server has 97 connections for roles like d, Dify may open 130"]),
    ],
)
def test_a_limit_below_what_dify_opens_is_said(found: dict[str, object], causes: list[str]) -> None:
    assert [each.cause for each in too_few(limits(**found), NEEDED)] == causes
