"""An archive for somebody who helps: what a report needs, and not one secret."""

import json
import tarfile
from pathlib import Path
from typing import Any

from config.rules.spellings import found


def test_a_report_has_what_a_helper_asks_for_and_no_secret(deployed: Any, tmp_path: Path) -> None:
    deployed.rollout("deploy", "sandbox")
    path = tmp_path / "report.tar.gz"
    done = deployed.rollout("support", "sandbox", str(path))
    assert "no secret of sandbox in them" in done.stdout
    texts = read(path)
    ends = ("machine.txt", "stack/compose.yaml", "stack/env", "platform/nginx.txt", "-api-1.log")
    assert [end for end in ends if not any(name.endswith(end) for name in texts)] == []
    assert not [name for name in texts if name.endswith("not-asked.txt")]
    assert json.loads(texts["plan/plan.json"]) == {"changes": [], "in_the_way": []}
    assert {each["status"] for each in json.loads(texts["health/health.json"])} >= {"ok"}
    assert any(name.startswith("runs/") and "deploy sandbox" in name for name in texts)

    names = deployed.rollout("secrets", "sandbox").stdout.split()
    secrets = {name: deployed.secret(name) for name in names}
    secrets["login of Prefect"] = deployed.login.partition(":")[2]
    assert len(secrets) > 8
    assert {
        name: found(text, secrets) for name, text in texts.items() if found(text, secrets)
    } == {}


def read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {
            name.partition("/")[2]: file.read().decode() for name, file in files.items() if file
        }
