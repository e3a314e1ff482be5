"""Links that a container made below its folder lead neither a restore nor a backup out of it."""

import os
from pathlib import Path

import pytest

from config.errors import StepError
from tasks.core.site import Site
from tasks.points import backup as backups
from tasks.points.backup import take
from tasks.points.repository import Repository
from tests.integration.test_backup import State, bring_back, repository, site, state

__all__ = ["repository", "site", "state"]


def test_one_file_does_not_come_back_through_a_link_a_container_made(
    site: Site, state: State, repository: Repository, tmp_path: Path
) -> None:
    point = take(site, repository, reason="asked", on_progress=backups.silent).point
    one, uploads = next(iter(state.rows())), state.storage / "upload_files"
    secret = tmp_path / "of root"
    (secret / state.tenant).mkdir(parents=True)
    secret.chmod(0o700)
    uploads.rename(uploads.with_name("aside"))
    uploads.symlink_to(secret)
    os.chown(uploads, 1001, 1001, follow_symlinks=False)
    with pytest.raises(StepError, match=r"upload_files is a link, which is not followed"):
        bring_back(site, repository, point, f"storage/{one}")
    assert list((secret / state.tenant).iterdir()) == []
    assert not (site.environment.dify.data / ".incoming").exists()


def test_a_link_in_place_of_the_tenant_keys_is_not_read(
    site: Site, state: State, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "private.pem").write_text("of root")
    keys = state.storage / "privkeys"
    keys.rename(keys.with_name("aside"))
    keys.symlink_to(tmp_path)
    assert take(site, repository, reason="asked", on_progress=backups.silent).tenant_keys == {}
