"""What the redis step would do, decided without a server; redis.conf as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.desired.sandbox import redis_conf
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.platforms.sandbox.redis import Actual, Server
from tasks.tools import redis as tool

ENVIRONMENT = load_environment("sandbox")
PRINTABLE = st.text(st.characters(blacklist_categories=("C", "Zl", "Zp")), min_size=1)


@pytest.fixture
def server() -> Server:
    secrets = {"redis_password": SecretStr("canary")}
    return Server(Site(ENVIRONMENT, load_release(ENVIRONMENT.dify.release), secrets))


def desired(server: Server) -> str:
    write = next(c for c in server.plan(Actual()) if c.what == "write redis.conf")
    return write.action.value


def live(server: Server, **other: str) -> Actual:
    text = desired(server)
    return Actual(text, runs=True, live={**tool.parse_conf(text), **other}, password="canary")


@given(PRINTABLE)
def test_any_printable_password_reads_back_from_the_file(password: str) -> None:
    text = redis_conf(ENVIRONMENT, password, ENVIRONMENT.sandbox.home)
    assert tool.parse_conf(text)["requirepass"] == password
    assert tool.parse_conf(text)["maxmemory-policy"] == "noeviction"


def test_sizes_compare_in_bytes_and_unreported_directives_do_not() -> None:
    wanted = {"maxmemory": "1mb", "hz": "10", "unknown": "x", "save": ""}
    assert tool.differences(wanted, {"maxmemory": "1048576", "hz": "11", "save": ""}) == ["hz"]


def test_secrets_are_masked_for_people() -> None:
    assert tool.shown({"requirepass": "canary", "port": "1"}, ["port", "requirepass", "gone"]) == (
        "port 1\nrequirepass ***"
    )


def test_why_a_server_ended_is_read_from_its_log() -> None:
    log = (
        "4242:C 24 Nov 2026 00:15:01.000 # WARNING Memory overcommit must be enabled!\n"
        "4242:M 24 Nov 2026 00:15:01.001 # Warning: Could not create server TCP listening socket\n"
        "4242:M 24 Nov 2026 00:15:01.001 # Failed listening on port 6379 (TCP), aborting.\n"
    )
    assert tool.complaint(log) == (
        "Warning: Could not create server TCP listening socket; "
        "Failed listening on port 6379 (TCP), aborting."
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, []),
        ({"maxmemory": "1"}, ["set maxmemory of Redis"]),
        ({"port": "1"}, ["stop Redis", "start Redis"]),
        ({"bind": "0.0.0.0", "maxmemory": "1"}, ["stop Redis", "start Redis"]),  # noqa: S104
    ],
)
def test_what_makes_a_running_server_follow(
    server: Server, other: dict[str, str], expected: list[str]
) -> None:
    changes = server.plan(live(server, **other))
    assert [change.what for change in changes] == expected
    assert "canary" not in str(changes)


def test_a_server_that_lets_nobody_in_is_restarted(server: Server) -> None:
    changes = server.plan(Actual(desired(server), runs=True))
    assert [change.what for change in changes] == ["stop Redis", "start Redis"]
    assert changes[0].before == "does not let us in"


def test_nothing_observed_or_planned_shows_the_password(server: Server) -> None:
    assert "canary" not in repr(live(server)) + repr(server.plan(Actual("requirepass canary\n")))
