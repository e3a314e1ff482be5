import pytest

from clients.command import Command, CommandFailed, Secret

NASTY = ["abc123", "p@ss word", "it's", "$(id)", 'a"b\\c', "#%:/?&"]


@pytest.mark.parametrize("password", NASTY)
def test_a_secret_is_masked_whatever_its_characters(password: str) -> None:
    command = Command(("psql", "-c", Secret(password)), stdin=Secret(password))
    assert str(command) == "psql -c ***"
    assert password not in repr(command)
    assert command.argv() == ["psql", "-c", password]


@pytest.mark.parametrize("password", NASTY)
def test_a_failure_does_not_repeat_secrets_the_tool_printed(password: str) -> None:
    command = Command(("psql", Secret(password)), env=(("PGPASSWORD", Secret("hidden-env")),))
    failure = CommandFailed(command, "exit status 1", f"wrong password {password} / hidden-env")
    assert str(failure) == "psql ***: exit status 1\nwrong password *** / ***"


def test_words_are_quoted_for_people_and_not_for_the_kernel() -> None:
    command = Command(("echo", "a b; rm -rf /"))
    assert str(command) == "echo 'a b; rm -rf /'"
    assert command.argv() == ["echo", "a b; rm -rf /"]


def test_another_user_is_reached_without_a_shell() -> None:
    assert Command(("id",), user="nobody").argv() == [
        "setpriv", "--reuid=nobody", "--regid=nobody", "--clear-groups", "id",
    ]  # fmt: skip
