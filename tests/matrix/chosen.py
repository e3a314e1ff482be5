"""The engines that a run of tests takes: the machine's, and a PostgreSQL by choice.

ROLLOUT_TEST_POSTGRES is the major version of the sandbox's. ROLLOUT_TEST_ENGINES is where a file
with all the versions is written.
"""

import json
import os
import re
import subprocess
from pathlib import Path

from tasks.platforms.sandbox import postgres_layout
from tests.matrix.suite import SUITES

PROGRAMS = {
    "Docker Engine": ("dockerd", "--version"),
    "Redis": ("redis-server", "--version"),
    "restic": ("restic", "version"),
    "nginx": ("nginx", "-v"),
}
VERSION = re.compile(r"\d+(\.\d+)+")


def choose_postgres() -> None:
    """The sandbox of this process brings the chosen version, and no other unless it is 18."""
    chosen = int(os.environ.get("ROLLOUT_TEST_POSTGRES") or max(postgres_layout.MAJORS))
    if chosen == max(postgres_layout.MAJORS):
        return
    more = {suite.postgres: str(suite.postgres_folder) for suite in SUITES.values()}
    folder = {**more, **postgres_layout.MAJORS}[chosen]
    postgres_layout.MAJORS.clear()
    postgres_layout.MAJORS[chosen] = folder


def versions() -> dict[str, str]:
    """Of each kind of engine, as its program says; "absent" without one."""
    found = {"PostgreSQL": str(max(postgres_layout.MAJORS))}
    found |= {name: _version(words) for name, words in PROGRAMS.items()}
    if path := os.environ.get("ROLLOUT_TEST_ENGINES"):
        Path(path).write_text(json.dumps(found))
    return found


def _version(words: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        return "absent"
    said = done.stdout + done.stderr
    found = VERSION.search(said)
    version = found[0] if found else said.strip()
    return f"Valkey {version}" if said.startswith("Valkey") else version
