"""The command that restores the same once more says everything that was asked for."""

import pytest

from tasks.points.choice import Options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(), ""),
        (Options(release="1.13.2"), "--release 1.13.2"),
        (Options(migrate=True), "--migrate"),
        (
            Options(("database", "storage"), "1.13.2", migrate=True),
            "--release 1.13.2 --migrate --only database --only storage",
        ),
    ],
)
def test_options_are_words_of_the_command_line(options: Options, words: str) -> None:
    assert " ".join(options.words()) == words
