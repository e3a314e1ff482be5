import pytest

from config.load import load_release
from tasks.platforms.sandbox.postgres_layout import major_of


@pytest.mark.parametrize(
    ("known", "release", "major"),
    [
        ("", "1.16.1", 18),
        ("", "1.15.0", 16),
        ("16", "1.16.1", 16),
        ("18", "1.15.0", 18),  # which preflight refuses then
        ("15", "1.16.1", 18),  # and the data directory is refused
    ],
)
def test_data_keep_their_version_and_new_ones_get_the_newest(known, release, major) -> None:
    assert major_of(known, load_release(release).postgres) == major


def test_a_release_that_takes_none_is_told_the_newest() -> None:
    needs = load_release("1.15.0").postgres.model_copy(update={"max": 15})
    assert major_of("", needs) == 18
