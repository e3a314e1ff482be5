"""The page of all keys is what base.toml and the model say now."""

from typing import Annotated

import pytest
from pydantic import Field

from config.environment import Docker, Environment, Limits, Nodes, Pigsty, Postgres
from config.load import ROOT
from config.messages import known_keys
from config.reference import page, takes

PAGE = page()


def test_the_committed_page_is_current() -> None:
    committed = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert committed == PAGE, "docs/keys.md is stale; run `make docs` and commit it"


def test_every_key_has_a_row() -> None:
    names = [key.split(".")[-1] for key in known_keys(Environment) if key != "name"]
    assert [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")] == names


@pytest.mark.parametrize(
    ("model", "key", "words"),
    [
        (Postgres, "port", "whole number, from 1 to 65535"),
        (Postgres, "host", "lower-case labels joined by dots, like 'dify.example.com'"),
        (Pigsty, "region", "`default`, `china`"),
        (Pigsty, "certbot", "`true`, `false`"),
        (Pigsty, "pg_nodes", "list: four numbers 0-255, like '10.10.10.10'"),
        (Docker, "proxy", "'http://…' or 'https://…'; or empty"),
        (Limits, "disk_pct", "list of 2: number"),
        (Nodes, "ssh_config", "text"),
    ],
)
def test_what_a_key_takes_is_said_as_its_error_says_it(model, key, words) -> None:
    assert takes(model.model_fields[key]) == words


def test_an_exclusive_limit_is_told() -> None:
    class Model(Postgres):
        share: Annotated[float, Field(gt=0, le=1)]

    assert takes(Model.model_fields["share"]) == "number, above 0 to 1"
