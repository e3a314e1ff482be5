"""What keeps Dify's tables out of a database, and the statement that takes it away."""

import pytest

from config.rules.postgres_place import Place, hindrances

SET = 'as administrator: ALTER ROLE "d" IN DATABASE "dify" SET search_path = '


def place(**found: object) -> Place:
    fine = {"role": "d", "database": "dify", "encoding": "UTF8", "schema": "public", "unseen": {}}
    return Place(**{**fine, **found})


def test_nothing_is_in_the_way_of_a_usual_one() -> None:
    assert list(hindrances(place())) == []


@pytest.mark.parametrize(
    ("found", "cause", "path"),
    [
        ({"schema": ""}, "search_path of d in dify leads to no schema", '"public";'),
        ({"schema": "app"}, "search_path of d in dify leads to app", '"public";'),
        ({"unseen": {"vector": "ext", "uuid-ossp": "ext"}}, "dify has vector in ext, uuid-ossp in "
         "ext", '"public", "ext";'),
        ({"schema": "app", "unseen": {"vector": "public"}}, "leads to app", '"public";'),
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_said_once(
    found: dict[str, object], cause: str, path: str
) -> None:
    (only,) = hindrances(place(**found))
    assert cause in only.cause
    assert only.advice == SET + path


def test_every_text_needs_utf8() -> None:
    (only,) = hindrances(place(encoding="EUC_CN"))
    assert "has the encoding EUC_CN" in only.cause
    assert "OWNER \"d\" ENCODING 'UTF8' TEMPLATE template0" in only.advice
