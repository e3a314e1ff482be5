"""One key of an environment's file is changed, and nothing else of it."""

import tomllib

import pytest

from config.load import ENVIRONMENTS
from config.release_key import with_release

NEW = "1.17.1"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            '[dify]\nrelease = "1.15.0"  # tried in May\nport = 1\n',
            '[dify]\nrelease = "1.17.1"  # tried in May\nport = 1\n',
        ),
        (
            "# mine\n[dify] # all of it\nport = 1\n[redis]\nrelease = 'x'\n",
            "# mine\n[dify] # all of it\nrelease = \"1.17.1\"\nport = 1\n[redis]\nrelease = 'x'\n",
        ),
        ("[redis]\nport = 1\n", '[redis]\nport = 1\n\n[dify]\nrelease = "1.17.1"\n'),
        ("", '\n\n[dify]\nrelease = "1.17.1"\n'),
    ],
)
def test_the_release_is_written_and_comments_stay(text: str, wanted: str) -> None:
    assert with_release(text, NEW) == wanted


@pytest.mark.parametrize("text", ['dify.release = "1.15.0"\n', 'dify = { release = "1.15.0" }\n'])
def test_what_one_line_cannot_say_is_left_to_a_person(text: str) -> None:
    assert with_release(text, NEW) is None


@pytest.mark.parametrize("path", sorted(ENVIRONMENTS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_committed_file_can_be_written(path) -> None:
    text = path.read_text()
    made = with_release(text, NEW)
    assert made is not None and tomllib.loads(made)["dify"]["release"] == NEW
    added = set(made.splitlines()) - set(text.splitlines())
    assert len([line for line in added if line and line != "[dify]"]) == 1
