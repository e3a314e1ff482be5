"""Measures the figures of backups in docs/performance.md: a point and its restore beside restic.

2 GB in 30,800 files: 768 uploads of 1 MB, 30,000 small files, JSON that compresses well. Needs
root, 8 GB of temporary space, and restic; brings PostgreSQL and Redis of its own, no Dify.
"""

import json
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from blocks.repository import BackupRepository
from clients.restic import Restic
from config.load import load_environment, load_release
from config.secrets import generate
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox import postgres, redis
from tasks.platforms.sandbox.home import prepare_home
from tasks.points.backup import check, silent, subset, take
from tasks.points.choice import choose
from tasks.points.databases import session_database
from tasks.points.filling import fill_folder
from tasks.points.pg_client_tools import clients
from tasks.points.repository import Repository
from tasks.steps.pgsql import dify_database
from tasks.steps.table import PARTS

MB = 1024 * 1024
ROUNDS = int(os.environ.get("ROUNDS", "4"))  # even: each is first as often


def fill(storage: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - the same data each time
    for index in range(768):
        _write(storage / "upload_files" / f"{index % 16}" / f"{index}.bin", chance.randbytes(MB))
    for index in range(30_000):
        _write(storage / "tools" / f"{index % 300}" / f"{index}", chance.randbytes(17_000))
    line = json.dumps({"level": "INFO", "event": "workflow finished", "tenant": "x" * 36})
    for index in range(48):
        text = "".join(f'{{"n": {chance.random()}, "e": {line}}}\n' for _ in range(120_000))
        _write(storage / "logs" / f"{index}.json", text[: 16 * MB].encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def site_in(folder: Path) -> Site:
    environment = load_environment("sandbox")
    tree = environment.model_dump()
    tree["sandbox"] |= {"home": folder}
    tree["postgres"] |= {"host": "127.0.0.1", "port": 28532}
    tree["redis"] |= {"host": "127.0.0.1", "port": 28479}
    tree["dify"] |= {"home": folder / "stack", "data": folder / "data"}
    environment = type(environment).model_validate(tree)
    release = load_release(environment.dify.release)
    site = Site(environment, release, generate(release, {}))
    prepare_home(site)
    for step in (*PARTS["pgsql"](site), *PARTS["redis"](site)):
        converge(step)
    environment.dify.home.mkdir(parents=True)
    with dify_database(site).connect() as connection:
        connection.execute(
            "CREATE TABLE messages AS SELECT i AS id, md5(i::text) AS answer"
            " FROM generate_series(1, 500000) i"
        )
    return site


def timed(work: Callable[[], object]) -> float:
    """Seconds, nobody paying for what the one before left to write."""
    os.sync()
    began = time.monotonic()
    work()
    return time.monotonic() - began


def restic(repository: Path, *words: str) -> Callable[[], object]:
    env = {**os.environ, "RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "bench"}
    return lambda: subprocess.run(["restic", *words], env=env, check=True, capture_output=True)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rollout-bench-"))
    folder.chmod(0o755)
    site = site_in(folder / "sandbox")
    try:
        storage = site.environment.dify.data / "app" / "storage"
        filling = multiprocessing.get_context("fork").Process(target=fill, args=(storage,))
        filling.start()
        filling.join()
        measure(site, folder, storage)
    finally:
        postgres.stop(site)
        redis.stop(site)
        shutil.rmtree(folder)


def dumped(site: Site, plain: Path) -> None:
    """What one would type: each database through pg_dump into restic."""
    tool = Restic("restic", str(plain), "bench")
    for name in (False, True):
        database = session_database(site, plugin=name)
        with database.frozen() as view:
            dump = clients(site, database).dump(database, view.snapshot)
            save = tool.backup_input(f"{database.database}.dump", host="bench", tags=[])
            site.node.pipe([dump, save])


def measure(site: Site, folder: Path, storage: Path) -> None:
    """Ours and restic take turns, each into a repository of its own; restores in both orders."""
    rows: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        rows.setdefault(name, []).append(seconds)

    for number in range(ROUNDS):
        plain, own = folder / f"plain-{number}", folder / f"own-{number}"
        restic(plain, "init")()
        restic(own, "init")()
        tool = Restic("restic", str(own), "bench")
        repository = Repository(site, tool, BackupRepository(password=SecretStr("bench")))
        for name in ("first", "unchanged"):
            note(f"{name}: restic, the files", timed(restic(plain, "backup", str(storage))))
            note(f"{name}: restic, the dumps", timed(partial(dumped, site, plain)))
            point = partial(take, site, repository, reason="asked", on_progress=silent)
            note(f"{name}: a whole point", timed(point))
            time.sleep(1)
        part = subset(site, datetime.now(UTC))
        note("check of a seventh", timed(partial(check, repository, part)))
        target = folder / "restored"
        choice = choose(site, repository, "latest", [])
        found = ("restore", "latest", "--path", str(storage), "--target", str(target))
        works: list[tuple[str, Callable[[], object]]] = [
            ("restore: restic alone", restic(plain, *found)),
            ("restore: ours", partial(fill_folder, site, choice, target, [str(storage)])),
        ]
        for name, work in works if number % 2 else works[::-1]:
            note(name, timed(work))
            shutil.rmtree(target)
        shutil.rmtree(plain)
        shutil.rmtree(own)
        print({name: round(seconds[-1], 2) for name, seconds in rows.items()}, flush=True)
    for name, seconds in rows.items():
        told = ", ".join(f"{each:.2f}" for each in seconds)
        print(f"{name:28} {statistics.mean(seconds):7.2f} s   {told}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'peak memory of our process':28} {peak:7.0f} MB")


if __name__ == "__main__":
    main()
