"""Restore points of a real database and real files, in real repositories; what goes wrong."""

import base64
import hashlib
import logging
import multiprocessing
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import SecretStr

from blocks.repository import BackupRepository
from clients.command import Command
from clients.restic import Restic
from clients.running import Cancelled, begin, end_all
from clients.ssh import Identity
from config.errors import RolloutError, StepError
from flows.parts.progress import progress
from tasks.core import release_file
from tasks.core.owner_mark import MARK
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.points import backup as backups
from tasks.points import databases, folders, interrupted_restore, recovery_kit, silence
from tasks.points.backup import backup, check, take
from tasks.points.choice import choose
from tasks.points.repository import Repository, RepositoryAway, open_repository, tool
from tasks.points.restore import settle
from tasks.steps.pgsql import dify_database
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS
from tests.integration.restoring import restore
from tests.long import long
from tests.ports import free_ports
from tests.serving import serving

PASSWORD = "pa55"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
SCHEMA = """
    CREATE TABLE IF NOT EXISTS alembic_version (version_num text);
    CREATE TABLE IF NOT EXISTS tenants (id uuid PRIMARY KEY, encrypt_public_key text);
    CREATE TABLE IF NOT EXISTS provider_credentials (tenant_id uuid, encrypted_config text);
    CREATE TABLE IF NOT EXISTS upload_files (key text PRIMARY KEY, hash text);
    CREATE TABLE IF NOT EXISTS embeddings (id int PRIMARY KEY, v vector(3));
    TRUNCATE alembic_version, tenants, provider_credentials, upload_files, embeddings;
    INSERT INTO alembic_version VALUES ('5eed00001150');
    INSERT INTO embeddings SELECT i, array[i, i, i]::vector FROM generate_series(1, 100) i;
"""


class State:
    """A small Dify without Dify: rows, their files, a tenant and something encrypted for it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.storage = site.environment.dify.data / "app" / "storage"
        self.tenant = "6f1b0f0e-0000-4000-8000-000000000001"

    def fill(self, uploads: int = 20) -> None:
        shutil.rmtree(self.storage, ignore_errors=True)
        with dify_database(self.site).connect() as connection:
            connection.execute(SCHEMA)
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        path = self.storage / "privkeys" / self.tenant / "private.pem"
        path.parent.mkdir(parents=True)
        path.write_bytes(pem)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        sealed = base64.b64encode(key.public_key().encrypt(b"api key of a provider", OAEP)).decode()
        with dify_database(self.site).connect() as connection:
            connection.execute(
                "INSERT INTO tenants VALUES (%s, %s)", [self.tenant, public.decode()]
            )
            connection.execute(
                "INSERT INTO provider_credentials VALUES (%s, %s)", [self.tenant, sealed]
            )
        for _ in range(uploads):
            self.upload()

    def upload(self, size: int = 2000) -> str:
        """As Dify does it: the file, and then the row."""
        key = f"upload_files/{self.tenant}/{secrets.token_hex(8)}.txt"
        content = secrets.token_bytes(size)
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with dify_database(self.site).connect() as connection:
            connection.execute(
                "INSERT INTO upload_files VALUES (%s, %s)",
                [key, hashlib.sha3_256(content).hexdigest()],
            )
        return key

    def upload_for_ever(self) -> None:
        while True:
            self.upload()

    def rows(self) -> dict[str, str]:
        with dify_database(self.site).connect() as connection:
            return dict(connection.execute("SELECT key, hash FROM upload_files").fetchall())

    def whole(self) -> dict[str, str]:
        """The rows, once each has its file and the tenant's key decrypts."""
        rows = self.rows()
        for key, digest in rows.items():
            assert hashlib.sha3_256((self.storage / key).read_bytes()).hexdigest() == digest
        pem = (self.storage / "privkeys" / self.tenant / "private.pem").read_bytes()
        private = serialization.load_pem_private_key(pem, None)
        with dify_database(self.site).connect() as connection:
            row = connection.execute("SELECT encrypted_config FROM provider_credentials").fetchone()
            near = connection.execute("SELECT id FROM embeddings ORDER BY v <-> '[7,7,7]' LIMIT 1")
            assert near.fetchone() == (7,)
        assert row and isinstance(private, rsa.RSAPrivateKey)
        assert private.decrypt(base64.b64decode(row[0]), OAEP) == b"api key of a provider"
        return rows


def repository_at(
    site: Site,
    url: str,
    password: str = PASSWORD,
    identity: Identity | None = None,
    **credentials: str,
) -> Repository:
    tool = Restic("restic", url, password, credentials, identity)
    return Repository(site, tool, BackupRepository(password=SecretStr(password)))


def repository_of(site: Site, repository: Repository) -> Repository:
    return Repository(site, repository.tool, repository.access)


def made(repository: Repository) -> Repository:
    repository.run(repository.tool.init())
    return repository


def bring_back(site: Site, repository: Repository, point: str = "latest", *only: str) -> Any:
    choice = choose(site, repository, point, only)
    done = restore(site, choice, lambda: repository)
    settle(site)
    return done


def in_child(work: Callable[[], object]) -> int | None:
    """Exit code of a process of its own that does the work; negative: the signal it died of.

    None if it does not end; it does not go on beside the test then.
    """
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(600)
    found = child.exitcode
    child.kill()
    return found


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killer(part: str, share: float) -> Callable[[str, float], None]:
    """Dies where the part is that far."""

    def told(name: str, done: float) -> None:
        if (name, done) == (part, share):
            die()

    return told


@pytest.fixture(scope="module")
def site(module_sandbox_site: Any) -> Site:
    made: Site = module_sandbox_site(
        backup={
            "keep": {
                "last": 2,
                "daily": 0,
                "weekly": 0,
                "monthly": 0,
                "before_days": 14,
                "replaced_days": 0,
                "shrink": 0.5,
            },
            "verify_days": 1,
        },
    )
    for step in (*PARTS["pgsql"](made), *PARTS["redis"](made)):
        converge(step)
    home = made.environment.dify.home
    home.mkdir(parents=True, exist_ok=True)
    (home / ".env").write_text("SECRET_KEY=x\n")
    return made


@pytest.fixture
def state(site: Site) -> State:
    found = State(site)
    found.fill()
    return found


@pytest.fixture
def repository(site: Site, tmp_path: Path) -> Repository:
    return made(repository_at(site, str(tmp_path / "repository")))


@contextmanager
def running(words: list[str], ready: Callable[[], bool]) -> Iterator[None]:
    with serving(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not ready():
            assert process.poll() is None and time.monotonic() < deadline, words
            time.sleep(0.1)
        yield


def listens(port: int) -> Callable[[], bool]:
    return lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0


def test_a_part_put_in_the_place_of_another_is_refused(
    site: Site, state: State, repository: Repository
) -> None:
    manifest = take(site, repository, reason="asked", on_progress=backups.silent)
    repository.run(repository.tool.forget([manifest.part("files").snapshot]))
    tags = [f"point:{manifest.point}", "part:files"]
    repository.run(repository.tool.backup([state.storage], host=site.name, tags=tags))
    with pytest.raises(StepError, match="the files part is not what its manifest says"):
        repository.manifest(repository.find("latest"))


def test_a_point_holds_everything_and_all_of_it_comes_back(
    site: Site, state: State, repository: Repository
) -> None:
    with dify_redis(site, broker=True).client() as client:
        client.rpush("dataset", "job", "job")
    before = state.whole()
    done = backup(site, repository)
    manifest = repository.manifest(repository.find("latest"))
    assert manifest == done.manifest
    assert [part.name for part in manifest.parts] == ["database", "plugin-database", "files"]
    assert all(part.sha256 or part.kind == "folders" for part in manifest.parts)
    assert manifest.rows["upload_files"] == 20 and manifest.queues["dataset"] == 2
    assert manifest.tenant_keys == {
        f"{state.tenant}/private.pem": hashlib.sha256(
            (state.storage / "privkeys" / state.tenant / "private.pem").read_bytes()
        ).hexdigest()
    }
    assert manifest.secrets == site.secrets and manifest.rendered.keys() == {".env"}
    dump = subprocess.run(
        ["restic", "dump", manifest.parts[0].snapshot, manifest.parts[0].path],
        env={**os.environ, "RESTIC_REPOSITORY": repository.tool.repository,
             "RESTIC_PASSWORD": "pa55"}, capture_output=True,
    ).stdout  # fmt: skip
    assert hashlib.sha256(dump).hexdigest() == manifest.parts[0].sha256

    state.fill(3)
    restored = bring_back(site, repository, manifest.point)
    assert state.whole() == before
    assert (state.storage / "upload_files").stat().st_mode & 0o777 == 0o755
    with dify_redis(site, broker=True).client() as client:
        assert client.llen("dataset") == 0
    for twin in databases.twins(site, ["database", "plugin-database"]):
        assert not databases.exists(site, twin.named("_previous"))
    assert not folders.previous(state.storage).exists()

    bring_back(site, repository, restored.safety)
    assert len(state.whole()) == 3


def test_while_files_come_and_go_every_row_of_the_point_has_its_file(
    site: Site, state: State, repository: Repository
) -> None:
    writer = multiprocessing.get_context("fork").Process(
        target=lambda: [state.upload() for _ in iter(int, 1)]
    )
    writer.start()
    try:
        time.sleep(0.3)
        point = take(site, repository, reason="asked", on_progress=backups.silent).point
    finally:
        writer.kill()
        writer.join()
    at_the_end = len(state.rows())
    bring_back(site, repository, point)
    assert 20 < len(state.whole()) <= at_the_end
    stored = sum(1 for path in (state.storage / "upload_files").rglob("*.txt"))
    assert stored >= len(state.rows())


def test_a_deletion_meanwhile_is_noted_and_no_failure(
    site: Site, state: State, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = next(iter(state.rows()))

    def told(part: str, share: float) -> None:
        if (part, share) == ("files", 0):
            (state.storage / gone).unlink(missing_ok=True)

    assert take(site, repository, reason="asked", on_progress=told).without_file == [gone]


def test_parts_come_back_alone(site: Site, state: State, repository: Repository) -> None:
    before = state.whole()
    point = take(site, repository, reason="asked", on_progress=backups.silent).point
    one = next(iter(before))
    (state.storage / one).write_bytes(b"broken")
    other = state.upload()
    bring_back(site, repository, point, f"storage/{one}")
    assert state.whole().keys() == before.keys() | {other}
    bring_back(site, repository, point, "database")
    assert state.rows() == before and (state.storage / other).exists()
    bring_back(site, repository, point, "storage")
    assert state.whole() == before and not (state.storage / other).exists()
    with pytest.raises(StepError, match=r"no part 'nonsense' to restore"):
        choose(site, repository, point, ["nonsense"])
    with pytest.raises(StepError, match=r"has no storage/nothing"):
        bring_back(site, repository, point, "storage/nothing")


def test_another_environment_keeps_its_secrets_but_those_of_the_data(
    site: Site, state: State, repository: Repository, sandbox_site: Any
) -> None:
    before = state.whole()
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE workflow_schedule_plans (next_run_at timestamp)")
        connection.execute("INSERT INTO workflow_schedule_plans VALUES (now())")
    try:
        point = backup(site, repository).manifest.point
    finally:
        with dify_database(site).connect() as connection:
            connection.execute("DROP TABLE workflow_schedule_plans")
    made_up: Site = sandbox_site("other")
    named = made_up.environment.model_copy(update={"name": "other"})
    target = Site(named, made_up.release, made_up.secrets, made_up.node)
    (named.sandbox.home / MARK).write_text("other\n")  # renamed, as the guide says
    for step in (*PARTS["pgsql"](target), *PARTS["redis"](target)):
        converge(step)
    kept: dict[str, Any] = {}
    own = target.secrets["postgres_password"]
    choice = choose(target, repository, point, [])
    done = restore(target, choice, lambda: repository, keep=lambda _, values: kept.update(values))
    assert State(target).whole() == before
    assert done.safety == "" and "1 schedules silenced" in done.notes[0]
    assert kept["secret_key"] == site.secrets["secret_key"]
    assert kept["admin_password"] == site.secrets["admin_password"]
    assert "postgres_password" not in kept
    assert done.secrets == kept
    assert target.secrets["postgres_password"] == own != site.secrets["postgres_password"]
    with dify_database(target).connect() as connection:
        row = connection.execute("SELECT next_run_at FROM workflow_schedule_plans").fetchone()
    assert row == (None,)


def test_without_an_administrator_the_databases_are_filled_in_place(
    site: Site, state: State, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = layout(site).programs / "bin"
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    before = state.whole()
    point = take(site, repository, reason="asked", on_progress=backups.silent).point
    state.fill(2)
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE made_by_a_newer_release (id int)")
    given = site.environment.model_copy(
        update={"platform": site.environment.platform.model_copy(update={"kind": "external"})}
    )
    owner = Site(given, site.release, site.secrets, site.node)
    assert not databases.administered(owner)
    bring_back(owner, repository_of(owner, repository), point)
    assert state.whole() == before
    with dify_database(site).connect() as connection:
        row = connection.execute("SELECT to_regclass('made_by_a_newer_release')").fetchone()
    assert row == (None,)


@pytest.mark.parametrize(
    ("part", "share"),
    [long("database", 0), ("database", 1), long("plugin-database", 1), long("files", 0),
     ("files", 1), long("check", 0), ("check", 1)],
)  # fmt: skip
def test_a_backup_killed_there_costs_nothing(
    site: Site, state: State, repository: Repository, part: str, share: float
) -> None:
    first = take(site, repository, reason="asked", on_progress=backups.silent).point
    before = state.whole()
    assert (
        in_child(lambda: backup(site, repository, on_progress=killer(part, share)))
        == -signal.SIGKILL
    )
    whole = [point.id for point in repository.points()]
    assert whole[0] == first and len(whole) == (2 if part == "check" else 1)
    assert state.whole() == before
    time.sleep(1)
    second = backup(site, repository)
    assert second.points[-1].id == second.manifest.point
    whole_ids = {s for point in second.points for s in point.snapshots}
    assert {snapshot.id for snapshot in repository.snapshots()} == whole_ids


@pytest.mark.parametrize("where", [
    long("prune"), "safety", long("database"), long("files"), long("folders"), "exchange",
])  # fmt: skip
def test_a_restore_killed_there_is_finished_by_the_next(
    site: Site, state: State, repository: Repository, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state.whole()
    point = take(site, repository, reason="asked", on_progress=backups.silent).point
    state.fill(5)
    now = state.whole()
    told = backups.silent
    if where == "safety":
        monkeypatch.setattr("tasks.points.restore.take", die)
    elif where == "folders":
        monkeypatch.setattr("tasks.points.folders._move", _move_once_and_die())
    elif where == "exchange":
        monkeypatch.setattr("tasks.points.databases.swap", die)
    elif where == "prune":
        monkeypatch.setattr("tasks.points.landing.forget_jobs", die)
    else:
        told = killer({"database": "plugin-database"}.get(where, where), 0)
    choice = choose(site, repository, point, [])
    work = lambda: restore(site, choice, lambda: repository, on_progress=told)  # noqa: E731
    assert in_child(work) == -signal.SIGKILL
    monkeypatch.undo()
    if where in ("safety", "database", "files"):
        assert state.whole() == now
        interrupted_restore.require_ended(site)
    else:
        finish = rf"finish it first: rollout restore sandbox {point}$"
        with pytest.raises(StepError, match=finish):
            interrupted_restore.require_ended(site)
        with pytest.raises(StepError, match=finish):
            bring_back(site, repository, point, "storage")
    time.sleep(1)
    bring_back(site, repository, point)
    assert state.whole() == before
    interrupted_restore.require_ended(site)
    assert not list(state.storage.parent.glob("*.previous"))
    if where != "safety":
        safety = [p.id for p in repository.points() if p.reason == "before-restore"]
        bring_back(site, repository, safety[0])
        assert state.whole() == now


def _move_once_and_die() -> Callable[..., None]:
    real, moved = folders._move, []

    def move(*words: Any) -> None:
        if moved:
            die()
        real(*words)
        moved.append(words)

    return move


def test_a_repository_over_sftp(site: Site, state: State, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    for name in ("host", "client"):
        subprocess.run(
            ["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", tmp_path / name], check=True
        )
    shutil.copy(tmp_path / "client.pub", tmp_path / "authorized")
    Path("/run/sshd").mkdir(exist_ok=True)
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    with running(["/usr/sbin/sshd", "-D", "-f", str(config)], listens(port)):
        url = f"sftp://{os.environ.get('USER', 'root')}@127.0.0.1:{port}/{tmp_path}/repository"
        known = f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}"
        key = Identity((tmp_path / "client").read_text(), known)
        _round_trip(site, state, made(repository_at(site, url, identity=key)))
        swapped = Identity(key.private_key, known.replace("AAAAC3", "AAAAC4"))
        with pytest.raises(StepError, match="Host key verification failed"):
            repository_at(site, url, identity=swapped).snapshots()


def test_a_repository_in_s3(site: Site, state: State, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "bucket").mkdir()
    words = ["rclone", "serve", "s3", str(tmp_path), "--addr", f"127.0.0.1:{port}",
             "--auth-key", "KEYIDLONGENOUGH,verysecretkey"]  # fmt: skip
    with running(words, listens(port)):
        repository = repository_at(
            site,
            f"s3:http://127.0.0.1:{port}/bucket",
            AWS_ACCESS_KEY_ID="KEYIDLONGENOUGH",
            AWS_SECRET_ACCESS_KEY="verysecretkey",
        )
        _round_trip(site, state, made(repository))


@dataclass(frozen=True)
class Store:
    """An S3 service, the folder of its buckets, and the environment that keeps its files there."""

    folder: Path
    site: Site

    def with_objects(self) -> Site:
        chosen = self.site.environment.backup.model_copy(update={"objects": True})
        environment = self.site.environment.model_copy(update={"backup": chosen})
        return Site(environment, self.site.release, self.site.secrets, self.site.node)

    @property
    def uploads(self) -> dict[str, bytes]:
        bucket = self.folder / "dify-files"
        files = (path for path in bucket.rglob("*") if path.is_file())
        return {str(path.relative_to(bucket)): path.read_bytes() for path in files}


def mounts(site: Site) -> list[str]:
    """What is mounted somewhere below the environment's data."""
    below = f" {site.environment.dify.data.resolve()}/"
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if below in line]


@pytest.fixture
def store(site: Site, state: State, tmp_path: Path) -> Iterator[Store]:
    """What Dify has in its two buckets: the uploads and keys of the state, and a plugin."""
    (port,) = free_ports(1)
    folder = tmp_path / "s3"
    shutil.copytree(state.storage, folder / "dify-files")
    (folder / "dify-plugins").mkdir()
    (folder / "dify-plugins" / "package.difypkg").write_bytes(b"package")
    kept = site.environment.storage.model_copy(
        update={"kind": "s3", "endpoint": f"http://127.0.0.1:{port}", "bucket": "dify-files",
                "plugin_bucket": "dify-plugins", "address_style": "path"}
    )  # fmt: skip
    keys = {"s3_access_key": "KEYIDLONGENOUGH", "s3_secret_key": 'p@ss "w\'ord" $HOME %2F'}
    secrets = {**site.secrets, **{name: SecretStr(value) for name, value in keys.items()}}
    environment = site.environment.model_copy(update={"storage": kept})
    # Not 0: rclone then does nothing else than clean its cache.
    words = ["rclone", "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}",
             "--dir-cache-time", "20ms",
             "--auth-key", ",".join(keys.values())]  # fmt: skip
    with running(words, listens(port)):
        yield Store(folder, Site(environment, site.release, secrets, site.node))


def test_the_objects_of_buckets_are_saved_and_put_back_beside_what_came_later(
    store: Store, state: State, repository: Repository
) -> None:
    chosen, before = store.with_objects(), store.uploads
    manifest = backup(chosen, repository_of(chosen, repository)).manifest
    assert [part.name for part in manifest.parts[3:]] == [
        "bucket-listing", "bucket", "plugin-bucket-listing", "plugin-bucket",
    ]  # fmt: skip
    listing = repository.listing(manifest, "bucket-listing")
    assert {key: each.size for key, each in listing.objects.items()} == {
        key: len(content) for key, content in before.items()
    }
    assert manifest.without_file == []
    lost, changed, *_ = state.rows()
    (store.folder / "dify-files" / lost).unlink()
    (store.folder / "dify-files" / changed).write_bytes(b"another content")
    (store.folder / "dify-files" / "later.txt").write_bytes(b"came later")
    done = bring_back(chosen, repository_of(chosen, repository))
    assert store.uploads == {
        **before, "later.txt": b"came later", f"{changed}.previous": b"another content",
    }  # fmt: skip
    assert done.notes == ("bucket: 1 objects had another content, see *.previous",)
    assert not mounts(chosen)
    shutil.rmtree(store.folder / "dify-files")
    (store.folder / "dify-files").mkdir()
    bring_back(chosen, repository_of(chosen, repository), manifest.point, "bucket")
    assert store.uploads == before


def test_without_the_objects_the_point_tells_which_are_lost(
    store: Store, state: State, repository: Repository
) -> None:
    own = repository_of(store.site, repository)
    manifest = take(store.site, own, reason="asked", on_progress=backups.silent)
    assert [part.name for part in manifest.parts[3:]] == [
        "bucket-listing", "plugin-bucket-listing",
    ]  # fmt: skip
    lost = next(iter(state.rows()))
    (store.folder / "dify-files" / lost).unlink()
    done = bring_back(store.site, own)
    assert f"1 of 21 objects of {manifest.point} are not in dify-files" in done.notes[0]
    assert lost in done.notes[0]
    with pytest.raises(StepError, match="has 'local': its uploads would not be found"):
        choose(state.site, own, manifest.point, [])


def test_a_backup_killed_while_it_reads_a_bucket_is_no_obstacle_to_the_next(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = store.with_objects()
    own = repository_of(chosen, repository)
    monkeypatch.setattr(
        "tasks.points.snapshot_writer.Saving._note",
        lambda _, name: die if name == "bucket" else str,
    )
    work = lambda: take(chosen, own, reason="asked", on_progress=backups.silent)  # noqa: E731
    assert in_child(work) == -signal.SIGKILL
    assert mounts(chosen)
    monkeypatch.undo()
    manifest = backup(chosen, own).manifest
    assert manifest.has("bucket") and [point.id for point in own.points()] == [manifest.point]
    assert not mounts(chosen)
    again = backup(chosen, own).manifest.part("bucket")
    assert again.size == manifest.part("bucket").size > 2 * again.added


@pytest.mark.long
def test_a_repository_of_a_rest_server_that_asks_for_a_login(
    site: Site, state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    login = {"RESTIC_REST_USERNAME": "backup", "RESTIC_REST_PASSWORD": "p@ss/w%rd"}
    words = ["rclone", "serve", "restic", str(tmp_path), "--addr", f"127.0.0.1:{port}",
             "--user", "backup", "--pass", "p@ss/w%rd"]  # fmt: skip
    named = site.environment.backup.model_copy(
        update={"repository": f"rest:http://127.0.0.1:{port}/dify/"}
    )
    far = Site(site.environment.model_copy(update={"backup": named}), site.release,
               site.secrets, site.node)  # fmt: skip

    def opened(**credentials: str) -> Repository:
        secret = {name: SecretStr(value) for name, value in credentials.items()}
        access = BackupRepository(password=SecretStr(PASSWORD), credentials=secret)
        return Repository(far, tool("restic", far, access), access)

    with running(words, listens(port)), caplog.at_level(logging.DEBUG):
        repository = made(opened(**login))
        assert repository.name == f"rest:http://***@127.0.0.1:{port}/dify/"
        _round_trip(far, state, repository)
        with pytest.raises(StepError, match="401") as refused:
            opened(**{**login, "RESTIC_REST_PASSWORD": "wr@ng"}).points()
    for secret in ("p@ss", "p%40ss", "wr@ng", "wr%40ng"):
        assert secret not in caplog.text + str(refused.value)


def _round_trip(site: Site, state: State, repository: Repository) -> None:
    before = state.whole()
    backup(site, repository)
    state.fill(1)
    bring_back(site, repository)
    assert state.whole() == before


def test_a_repository_that_is_away_is_not_made_anew(
    site: Site, state: State, repository: Repository
) -> None:
    backup(site, repository)
    place = Path(repository.tool.repository)
    place.rename(place.with_name("unmounted"))
    with pytest.raises(RepositoryAway, match=r"(?s)no repository answers at .*mount or start it"):
        backup(site, repository)
    assert not place.exists()
    place.with_name("unmounted").rename(place)
    assert len(repository.points()) == 1


def test_a_wrong_password_is_one_sentence(site: Site, repository: Repository) -> None:
    wrong = repository_at(site, repository.tool.repository, "other")
    with pytest.raises(StepError, match="does not open with the saved password") as refused:
        backup(site, wrong)
    assert "other" not in str(refused.value).replace("another", "")
    where = site.environment.backup.model_copy(update={"repository": wrong.tool.repository})
    with pytest.raises(RolloutError, match="does not open: wrong password") as refused:
        BackupRepository(password=SecretStr("hunter2")).check(where)
    assert "hunter2" not in str(refused.value)
    right = BackupRepository(password=SecretStr("pa55"))
    assert right.check(where) == f"{where.repository} opens with this password"


def test_a_dead_lock_is_removed_and_a_living_one_waited_for(
    site: Site, state: State, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {**os.environ, "RESTIC_REPOSITORY": repository.tool.repository, "RESTIC_PASSWORD": "pa55"}
    words = ["restic", "backup", "--stdin", "--host", "elsewhere"]
    holder = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    locks = Path(repository.tool.repository) / "locks"
    while not list(locks.iterdir()):
        time.sleep(0.05)
    with monkeypatch.context() as patched:
        patched.setattr("tasks.points.repository.LOCK_WITHIN_S", 0.0)
        with pytest.raises(StepError, match=f"is in use by PID {holder.pid} on"):
            check(repository, "")
    holder.kill()
    holder.wait()
    assert list(locks.iterdir())
    assert backup(site, repository).checked == "all"
    assert not list(locks.iterdir())


def test_notes_of_progress_that_take_long_lose_and_delay_nothing(
    site: Site, state: State, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the Prefect server answers after 3 s: restic prints a line twice a second."""

    def note(*_: object, **__: object) -> UUID:
        time.sleep(3)
        return uuid4()

    monkeypatch.setattr("flows.parts.progress.configured", lambda: True)
    monkeypatch.setattr("flows.parts.progress.create_progress_artifact", note)
    monkeypatch.setattr("flows.parts.progress.update_progress_artifact", note)
    for _ in range(40):
        state.upload(1_000_000)
    began = time.monotonic()
    backup(site, made(repository_at(site, repository.tool.repository + "-quick")))
    plain, began = time.monotonic() - began, time.monotonic()
    with progress("backup", site.name) as told:
        done = backup(site, repository, on_progress=told)
    assert time.monotonic() - began < 2 * plain + 5
    assert done.manifest.part("files").files >= 40
    save = partial(repository.save_folders, [state.storage], ["part:files"])
    assert save(lambda _: time.sleep(3)).files >= 40


def test_a_check_that_is_cancelled_leaves_no_lock(site: Site, repository: Repository) -> None:
    (site.environment.dify.home / "big").write_bytes(secrets.token_bytes(300_000_000))
    try:
        repository.save_folders([site.environment.dify.home], [], lambda _: None)
    finally:
        (site.environment.dify.home / "big").unlink()
    shares: list[float] = []
    check(repository, "all", lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert [share for share in shares if 0 < share < 1]
    locks = Path(repository.tool.repository) / "locks"
    with ThreadPoolExecutor(1) as pool:
        reading = threading.Event()
        checking = pool.submit(check, repository, "all", lambda _, share: share and reading.set())
        assert reading.wait(60)
        assert list(locks.iterdir())
        end_all()
        try:
            with pytest.raises(Cancelled):
                checking.result(timeout=10)
        finally:
            begin()
    assert not list(locks.iterdir())


def test_a_full_disk_costs_nothing_but_the_new_point(
    site: Site, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other time restic 0.14 does not end by itself."""
    monkeypatch.setattr(silence, "ASK_EVERY_S", 0.5)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", small], check=True)
    try:
        repository = made(repository_at(site, str(small / "repository")))
        backup(site, repository)
        big = state.upload(20_000_000)
        for _ in range(3):
            with pytest.raises(StepError, match="no space left for"):
                backup(site, repository)
        assert len(repository.points()) == 1
        (state.storage / big).unlink()
        with dify_database(site).connect() as connection:
            connection.execute("DELETE FROM upload_files WHERE key = %s", [big])
        before = state.whole()
        point = backup(site, repository).manifest.point
        state.fill(1)
        bring_back(site, repository, point)
        assert state.whole() == before
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_full_tmpdir_is_not_taken_for_a_full_repository(
    site: Site, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", full], check=True)
    try:
        (full / "file").write_bytes(bytes(4096))
        monkeypatch.setenv("TMPDIR", str(full))
        with pytest.raises(StepError, match=rf"no space left for restic's own files in {full} "):
            backup(site, made(repository_at(site, str(tmp_path / "repository"))))
    finally:
        subprocess.run(["umount", full], check=True)


def test_a_disk_full_of_a_restore_changes_nothing(
    site: Site,
    state: State,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    state.upload(6_000_000)
    backup(site, repository)
    now = state.whole()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    monkeypatch.setattr("tasks.points.landing.incoming", lambda _: small / "incoming")
    try:
        with pytest.raises(StepError, match=r"(?s)files of .*no space left .*nothing was changed"):
            bring_back(site, repository)
        assert state.whole() == now
        assert not list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)


def test_too_small_a_point_holds_pruning(site: Site, state: State, repository: Repository) -> None:
    state.upload(400_000)
    points = [backup(site, repository).manifest.point for _ in (1, time.sleep(1))]
    shutil.rmtree(state.storage / "upload_files")
    with dify_database(site).connect() as connection:
        connection.execute("TRUNCATE upload_files")
    time.sleep(1)
    done = backup(site, repository)
    assert "less than backup.keep.shrink" in done.held and done.pruned == {}
    assert [point.id for point in repository.points()] == [*points, done.manifest.point]


@pytest.mark.long
def test_retention_lets_go_of_the_oldest_and_the_rest_comes_back(
    site: Site, state: State, repository: Repository
) -> None:
    names = []
    for _ in range(3):
        time.sleep(1)
        done = backup(site, repository)
        names.append(done.manifest.point)
    assert done.pruned == {names[0]: "newer points serve backup.keep"}
    assert [point.id for point in repository.points()] == names[1:]
    before = state.whole()
    state.fill(1)
    bring_back(site, repository, names[1])
    assert state.whole() == before


@pytest.mark.long
def test_the_point_before_an_upgrade_stays_until_that_is_proved(
    site: Site, state: State, repository: Repository
) -> None:
    way_back = backup(site, repository, reason="before-upgrade").manifest.point
    for _ in range(4):
        time.sleep(1)
        done = backup(site, repository)
    assert done.kept == {
        way_back: "until the upgrade is proved",
        done.points[1].id: "one of the last 2",
        done.points[2].id: "one of the last 2",
    }
    proved = datetime.now(UTC).isoformat()
    release_file.update(site.environment, site.node, proved_at=proved, proved_release="1.16.0")
    try:
        assert " before-upgrade, until " in f" {backup(site, repository).kept[way_back]}"
        later = retaining(site, before_days=0)
        done = backup(later, repository_of(later, repository))
        assert done.pruned[way_back] == "the upgrade is proved, and 0 days have gone by"
    finally:
        (site.environment.dify.home / "release.json").unlink()


def retaining(site: Site, **rules: int) -> Site:
    """The site with other rules of retention."""
    backup = site.environment.backup
    own = backup.model_copy(update={"keep": backup.keep.model_copy(update=rules)})
    environment = site.environment.model_copy(update={"backup": own})
    return Site(environment, site.release, site.secrets, site.node)


def test_the_kit_opens_with_age_alone_and_holds_every_secret(
    site: Site, repository: Repository, tmp_path: Path
) -> None:
    made_key = subprocess.run(
        ["age-keygen", "-o", tmp_path / "key"], capture_output=True, text=True
    )
    public = made_key.stderr.split()[-1]
    named = site.environment.backup.model_copy(update={"recipients": [public]})
    owned = Site(site.environment.model_copy(update={"backup": named}), site.release,
                 site.secrets, site.node)  # fmt: skip
    text = recovery_kit.renew(owned, repository, datetime.now(UTC))
    assert text.startswith("-----BEGIN AGE ENCRYPTED FILE-----")
    path = recovery_kit.kit_file(site.environment)
    assert path.read_text() == text and path.stat().st_mode & 0o777 == 0o600
    shell = f'set -a; eval "$(age -d -i {tmp_path}/key {path})"; env -0'
    shown = subprocess.run(["sh", "-c", shell], capture_output=True, text=True).stdout
    env = dict(line.split("=", 1) for line in shown.split("\0") if "=" in line)
    assert env["RESTIC_PASSWORD"] == "pa55"
    for name, value in site.secrets.items():
        assert env[f"SECRET_{name}"] == value.get_secret_value()


def test_environments_that_share_a_repository_see_and_prune_their_own_points_only(
    site: Site, state: State, repository: Repository
) -> None:
    named = site.environment.model_copy(update={"name": "other"})
    other = Site(named, site.release, site.secrets, site.node)
    others = repository_of(other, repository)
    [first] = backup(other, others).points
    names = [backup(site, repository).manifest.point for _ in range(3) if not time.sleep(1)]
    assert [point.id for point in repository.points()] == names[1:]
    assert others.points() == [first]
    with pytest.raises(StepError, match=f"no restore point '{first.id}'"):
        bring_back(site, repository, first.id)
    before = state.whole()
    state.fill(1)
    bring_back(other, others)
    assert state.whole() == before
    check(repository, "all")


def test_another_password_opens_no_repository_of_another_environment(
    site: Site, repository: Repository
) -> None:
    place = site.environment.backup.model_copy(update={"repository": repository.name})
    environment = site.environment.model_copy(update={"name": "other", "backup": place})
    other = Site(environment, site.release, site.secrets, site.node)
    with pytest.raises(StepError, match="does not open with the saved password"):
        open_repository(other, create=True)


@pytest.mark.long
def test_half_of_the_packs_gone_is_found_and_the_next_point_is_whole_once_the_index_knows(
    site: Site, state: State, repository: Repository
) -> None:
    backup(site, repository)
    packs = sorted(Path(repository.tool.repository, "data").rglob("*"))
    for pack in [pack for pack in packs if pack.is_file()][::2]:
        pack.unlink()
    for damaged in (lambda: check(repository, "all"), lambda: backup(site, repository)):
        with pytest.raises(StepError, match=r"(?s)is damaged: .* do: nothing was pruned"):
            damaged()
    repository.run(Command((repository.tool.program, "rebuild-index"),
                           env=repository.tool.prune().env))  # fmt: skip
    time.sleep(1)
    point = take(site, repository, reason="asked", on_progress=backups.silent).point
    before = state.whole()
    state.fill(1)
    bring_back(site, repository, point)
    assert state.whole() == before


@pytest.mark.long
@pytest.mark.long
def test_a_hundred_flipped_bytes_never_pass_unnoticed(
    site: Site, state: State, repository: Repository, tmp_path: Path
) -> None:
    """Each in a copy of its own: the check finds it, or what is restored is right all the same.

    (A key file's note of when and where it was made is read by nobody.)
    """
    for _ in range(2):
        state.upload(30_000)
        take(site, repository, reason="asked", on_progress=backups.silent)
        time.sleep(1)
    chance = random.Random(5)  # noqa: S311 - the same flips each time
    source = Path(repository.tool.repository)
    files = [(path, path.stat().st_size) for path in sorted(source.rglob("*")) if path.is_file()]
    flips = []
    for _ in range(100):
        path, size = chance.choices(files, [size for _, size in files])[0]
        flips.append((path.relative_to(source), chance.randrange(size), 1 << chance.randrange(8)))

    def unnoticed(number: int) -> str:
        name, offset, bit = flips[number]
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(source, copy)
        content = bytearray((copy / name).read_bytes())
        content[offset] ^= bit
        (copy / name).chmod(0o600)
        (copy / name).write_bytes(content)
        flipped = repository_at(site, str(copy))
        found = site.node.attempt(flipped.tool.check("all")).status != 0
        shutil.rmtree(copy)
        return "" if found or str(name).startswith("keys") else f"{name} at {offset}"

    with ThreadPoolExecutor(2) as pool:
        assert [text for text in pool.map(unnoticed, range(100)) if text] == []
