"""The one edit that the way from the recipe to staging asks for is enough."""

import shutil
import subprocess
from pathlib import Path

from config.load import ENVIRONMENTS, ROOT, load_environment
from tests.unit.docs.markdown import code


def test_the_addresses_of_staging_are_put_in_by_the_command_of_the_page(tmp_path: Path) -> None:
    [edit] = [text for text in code(ROOT / "docs" / "recipe.md") if text.startswith("sed -i")]
    folder = tmp_path / "config" / "environments"
    shutil.copytree(ENVIRONMENTS, folder)
    subprocess.run(["sh", "-c", edit], cwd=tmp_path, check=True)
    staging = load_environment("staging", folder)
    assert staging.pigsty.admin_ip == staging.postgres.host == staging.redis.host == "192.168.1.5"
    assert "10.10.10.20" not in (folder / "staging.toml").read_text()
