"""What of the caller's shell a command and this process's libraries get to see."""

import os

import pytest

from clients import variables
from clients.command import Command, Secret

HOSTILE = {"PGSSLMODE": "x", "PGSERVICE": "x", "RESTIC_PASSWORD_FILE": "x",
           "COMPOSE_FILE": "x", "DOCKER_API_VERSION": "x", "AWS_PROFILE": "x", "PATHS": "x",
           "LOG_LEVEL": "x"}  # fmt: skip


def test_a_command_sees_what_counts_and_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**HOSTILE, "DOCKER_HOST": "unix:///y", "LC_ALL": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    command = Command(("true",), env=(("PGPASSWORD", Secret("p")), ("A", "1")))
    seen = variables.variables(command)
    assert seen.keys() & HOSTILE.keys() == set()
    assert (seen["PGPASSWORD"], seen["A"], seen["DOCKER_HOST"]) == ("p", "1", "unix:///y")
    assert seen["LC_ALL"] == "C.UTF-8"


def test_libraries_do_not_see_them_and_sources_of_secrets_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variables, "_forgotten", {})
    for name, value in {**HOSTILE, "DOCKER_HOST": "unix:///y"}.items():
        monkeypatch.setenv(name, value)
    variables.forget()
    assert os.environ.keys() & HOSTILE.keys() == {"AWS_PROFILE", "PATHS", "LOG_LEVEL"}
    assert os.environ["DOCKER_HOST"] == "unix:///y"
    assert HOSTILE.items() <= variables.given().items()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "localhost,127.0.0.1,::1"),
        ("*", "*"),
        ("intra.test, localhost", "intra.test,localhost,127.0.0.1,::1"),
    ],
)
def test_a_proxy_is_for_what_leaves_the_machine(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(variables, "_forgotten", {})
    given = {"NO_PROXY": before, "no_proxy": "", "ALL_PROXY": "socks5://x", "all_proxy": "x"}
    for name, value in {**given, "HTTP_PROXY": "http://x:1"}.items():
        monkeypatch.setenv(name, value)
    variables.forget()
    assert os.environ["NO_PROXY"] == after
    assert os.environ["HTTP_PROXY"] == "http://x:1"
    assert variables.given().keys() & {"ALL_PROXY", "all_proxy"} == set()
    variables.forget()
    assert os.environ["NO_PROXY"] == after
