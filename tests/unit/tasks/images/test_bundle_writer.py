import pytest

from config.errors import StepError
from tasks.images.bundle_writer import files


def test_a_link_in_a_folder_of_extra_files_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("of root")
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "a.difypkg").write_text("package")
    assert files([plugins]) == [plugins / "a.difypkg"]
    (plugins / "b.difypkg").symlink_to(tmp_path / "secret")
    with pytest.raises(StepError, match=r"--extra: .*/b.difypkg is a link; name the file itself"):
        files([plugins])
