"""The archive of a report: what is in it, and who may read it."""

import tarfile
from pathlib import Path

import pytest

from clients.files import Unwritable
from tasks.support.archive import FOLDER, pack


def test_every_text_is_in_it_and_nobody_else_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "report.tar.gz"
    pack({"versions.json": "{}", "logs/api 1.log": "läuft"}, path)
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        texts = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        assert {name: file.read().decode() for name, file in texts.items() if file} == {
            f"{FOLDER}/versions.json": "{}",
            f"{FOLDER}/logs/api 1.log": "läuft",
        }


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match="it is a folder"):
        pack({}, tmp_path)
