"""A shell in which every variable that our programs and libraries would read says nonsense."""

import json
import os
import shlex
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

POSTGRES = {
    "PGHOST": "192.0.2.1", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "nobody",
    "PGDATABASE": "none", "PGPASSWORD": "wrong", "PGPASSFILE": "/none", "PGSERVICE": "none",
    "PGSERVICEFILE": "/none", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/none",
    "PGGSSENCMODE": "require", "PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none",
    "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "soon", "PGCLIENTENCODING": "EUC_JP",
    "PGOPTIONS": "-c default_transaction_read_only=on -c search_path=none", "PGDATA": "/none",
    "PGTZ": "Mars", "PG_COLOR": "always", "PSQLRC": "/none", "PSQL_PAGER": "false",
}  # fmt: skip
DOCKER = {
    "DOCKER_CONTEXT": "none", "DOCKER_API_VERSION": "9.99", "DOCKER_CONTENT_TRUST": "1",
    "DOCKER_DEFAULT_PLATFORM": "none/none", "DOCKER_BUILDKIT": "none", "COMPOSE_FILE": "/none",
    "COMPOSE_PROJECT_NAME": "none", "COMPOSE_PROFILES": "none", "COMPOSE_ENV_FILES": "/none",
    "COMPOSE_PARALLEL_LIMIT": "none", "COMPOSE_REMOVE_ORPHANS": "none",
    "SECRET_KEY": "ambient", "DB_HOST": "192.0.2.1", "DB_PASSWORD": "ambient", "LOG_LEVEL": "none",
}  # fmt: skip
RESTIC = {
    "RESTIC_REPOSITORY": "/none", "RESTIC_REPOSITORY_FILE": "/none", "RESTIC_PASSWORD": "ambient",
    "RESTIC_PASSWORD_COMMAND": "echo ambient", "RESTIC_KEY_HINT": "none",
    "RESTIC_CACHE_DIR": "/dev/null",
    "RESTIC_COMPRESSION": "none", "RESTIC_PACK_SIZE": "none", "RESTIC_HOST": "none",
    "RESTIC_PROGRESS_FPS": "none", "AWS_PROFILE": "none", "AWS_ACCESS_KEY_ID": "none",
}  # fmt: skip
OTHERS = {
    "BASH_ENV": "/none", "ENV": "/none", "CDPATH": "/", "IFS": "/", "TERM": "none",
    "POSIXLY_CORRECT": "1", "GREP_OPTIONS": "-v", "TAR_OPTIONS": "--none", "CURL_HOME": "/none",
    "ALL_PROXY": "socks5://192.0.2.1:9", "all_proxy": "socks5://192.0.2.1:9",
    "REDISCLI_AUTH": "wrong", "ANSIBLE_CONFIG": "/none", "RCLONE_CONFIG": "/none",
}  # fmt: skip
HOSTILE = POSTGRES | DOCKER | RESTIC | OTHERS


@pytest.fixture(scope="module")
def made(new_machine: Any, tmp_path_factory: Any) -> Generator[Any]:
    """A machine whose every command is typed in such a shell, from the first on.

    Its Prefect server and worker are started from there, too.
    """
    folder: Path = tmp_path_factory.mktemp("hostile")
    (folder / "password").write_text("ambient")
    words = ["age-keygen", "-o", str(folder / "key.txt")]
    public = subprocess.run(words, capture_output=True, text=True).stderr.split()[-1]
    machine = new_machine(
        "hostile",
        ROLLOUT__BACKUP__REPOSITORY=str(folder / "repository"),
        ROLLOUT__BACKUP__RECIPIENTS=json.dumps([public]),
        RESTIC_PASSWORD_FILE=str(folder / "password"), **HOSTILE,
    )  # fmt: skip
    machine.home.chmod(0o755)  # like a checkout in /opt
    before = os.umask(0o077)
    try:
        machine.rollout("sandbox", "sandbox")
        yield machine
    finally:
        machine.rollout("down", "sandbox", "--purge", "--yes", check=False)
        os.umask(before)


def test_a_second_deploy_has_nothing_to_do(made: Any) -> None:
    assert json.loads(made.rollout("plan", "sandbox", "--json").stdout)["changes"] == []
    assert made.json("deploy", "sandbox")["changes"] == 0
    made.rollout("verify", "sandbox")
    assert made.json("health", "sandbox")["status"] in ("ok", "unknown")  # no point yet


@pytest.mark.long
def test_the_first_point_opens_with_what_the_kit_holds_and_with_nothing_else(made: Any) -> None:
    """This shell would have given restic another password."""
    made.rollout("backup", "sandbox")
    made.rollout("backup", "check", "sandbox")
    folder = Path(made.variables["ROLLOUT__BACKUP__REPOSITORY"]).parent
    file = made.home / "sandbox" / "recovery-kit-sandbox.age"
    words = ["age", "--decrypt", "-i", folder / "key.txt", file]
    kit = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    held = dict(word.split("=", 1) for word in shlex.split(kit, comments=True))
    assert opens(held)
    assert not opens({**held, "RESTIC_PASSWORD": "ambient"})


def opens(variables: Mapping[str, str]) -> bool:
    kept = {name: variables[name] for name in ("RESTIC_REPOSITORY", "RESTIC_PASSWORD")}
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **kept}
    return subprocess.run(["restic", "snapshots"], env=clean, capture_output=True).returncode == 0
