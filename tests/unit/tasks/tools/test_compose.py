from pathlib import Path

import pytest

from tasks.tools import compose

HOME = Path("/opt/dify")
PREFIX = ("docker", "compose")
START = (
    "docker compose --project-directory /opt/dify --file /opt/dify/compose.yaml --progress plain "
)


def test_up_waits_for_health_and_removes_what_is_not_wanted() -> None:
    command = compose.up(PREFIX, HOME, wait_s=300)
    assert str(command) == START + (
        "up --detach --remove-orphans --no-build --wait --wait-timeout 300"
    )
    assert command.timeout_s == 360


def test_a_one_shot_container_starts_nothing_else() -> None:
    command = compose.run(
        PREFIX, HOME, "api", name="dify-migrate", environment={"MODE": "job"},
        entrypoint=None, command=["db", "heads"], timeout_s=120,
    )  # fmt: skip
    assert str(command) == START + (
        "run --no-deps --no-TTY --name dify-migrate --env MODE=job api db heads"
    )


def test_an_entrypoint_of_several_words_keeps_their_order() -> None:
    command = compose.run(
        PREFIX, HOME, "api", name="m", environment={}, entrypoint=["flask", "db"],
        command=["upgrade"], timeout_s=1,
    )  # fmt: skip
    assert str(command).endswith("--name m --entrypoint flask api db upgrade")


@pytest.mark.parametrize(
    ("text", "version"),
    [("2.40.3\n", (2, 40)), ("v2.29.7-desktop.1", (2, 29)), ("1.29.2", (1, 29)), ("", None),
     ("docker-compose version", None)],
)  # fmt: skip
def test_the_version_is_read_from_what_compose_prints(
    text: str, version: tuple[int, int] | None
) -> None:
    assert compose.parse_version(text) == version


def test_hashes_are_one_service_a_line() -> None:
    # Recorded from Compose 2.40.3.
    text = "api 1fd2a3\nworker_beat 77aa01\n"
    assert compose.parse_hashes(text) == {"api": "1fd2a3", "worker_beat": "77aa01"}
    assert compose.parse_hashes("") == {}


def test_observing_promises_to_change_nothing() -> None:
    assert not compose.hashes(PREFIX, HOME, document="", settings={}).changes
    assert not compose.version(PREFIX).changes
    assert compose.down(PREFIX, HOME).changes
