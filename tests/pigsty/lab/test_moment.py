"""The whole cluster back to a moment, as a restore does it."""

import time
from datetime import UTC, datetime

import pytest

from tasks.core.site import Site
from tasks.points import interrupted_restore, pitr
from tasks.points.goal import at_moment
from tasks.steps.pgsql import dify_database
from tasks.steps.table import PARTS
from tests.pigsty.lab.site import lab_site

MADE = "CREATE TABLE messages (created_at timestamp DEFAULT (clock_timestamp() AT TIME ZONE 'utc'))"
SAID = "INSERT INTO messages DEFAULT VALUES"


def ask(site: Site, statement: bytes) -> int:
    with dify_database(site).connect() as connection:
        found = connection.execute(statement)
        row = found.fetchone() if found.description else None
    return int(row[0]) if row else 0


def test_it_goes_back_to_the_moment_and_writes_again() -> None:
    with lab_site() as made:
        made.converge(PARTS["configure"], PARTS["pgsql"], PARTS["redis"])
        site = made.opened()
        site.environment.dify.data.mkdir(parents=True)
        ask(site, b"DROP TABLE IF EXISTS messages")
        ask(site, MADE.encode())
        ask(site, SAID.encode())
        time.sleep(2)
        target = datetime.now(UTC)
        time.sleep(1)
        ask(site, SAID.encode())
        done = pitr.go_back(
            site,
            at_moment(site.name, target),
            lambda: pytest.fail("no Dify here to make a point of"),
        )
        assert done.safety == "" and interrupted_restore.pending(site) is None
        assert ask(site, b"SELECT count(*) FROM messages") == 1
        ask(site, SAID.encode())
        ask(site, b"DROP TABLE messages")
        assert made.converge(PARTS["configure"], PARTS["pgsql"]) == []
