"""The page of what runs with what is what the release files say now."""

from config.compatibility import page
from config.load import ROOT, load_environment, load_release, release_names
from config.rules.revisions import number

PAGE = page()


def test_the_committed_page_is_current() -> None:
    committed = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert committed == PAGE, "docs/compatibility.md is stale; run `make docs` and commit it"


def test_every_release_has_a_row_and_every_image_a_place() -> None:
    for name in release_names():
        release = load_release(name)
        assert f"| {name}" in PAGE and release.migration.head in PAGE
        assert all(image in PAGE for image in release.images.values())


def test_the_default_is_the_newest_release_of_which_a_real_image_was_run() -> None:
    proved = [name for name in release_names() if load_release(name).proved]
    assert load_environment("recipe").dify.release == max(proved, key=number)
