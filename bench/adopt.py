"""Measures an adoption for docs/performance.md: how long nobody can use Dify, and the way back.

    uv run python -m bench.adopt [--mb 1000] [--files 10000]

As root; brings a Dify of the official compose file's layout (PostgreSQL and Redis in containers)
with a database of that size and so many uploads of 20 kB, and an environment that takes it over.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.rows import fill
from tasks.adoption import way_back
from tasks.adoption.plan import as_read, look
from tasks.core.site import Site
from tasks.points.databases import session_database
from tests.integration.adopting import adoption, host_image, official, people_see, taker
from tests.integration.conftest import sandboxes

FILE_BYTES, A_FOLDER = 20_000, 100


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--mb", type=int, default=1000)
    options.add_argument("--files", type=int, default=10_000)
    given = options.parse_args()
    with TemporaryDirectory(prefix="rollout-bench-") as name, sandboxes(Path(name)) as make:
        points, image = Path(name) / "points", host_image()
        with official(make, points, image) as (there, before), taker(make, there) as own:
            upload(there, given.files)
            insert(there, own, given.mb)
            adopt(there, own)
            assert people_see(own) == before
            began = time.monotonic()
            way_back.go_back(own)
            print(f"way back: {time.monotonic() - began:.1f} s")


def upload(there: Site, files: int) -> None:
    """Files that do not compress, some in each folder."""
    storage = there.environment.dify.data / "app" / "storage" / "upload_files"
    for number in range(files):
        folder = storage / f"bench-{number // A_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.pdf").write_bytes(os.urandom(FILE_BYTES))


def insert(there: Site, own: Site, mb: int) -> None:
    """Into the database in its container."""
    origin = look(own, there.environment.dify.project).origin
    with session_database(as_read(own, origin)).connect() as connection:
        fill(connection, mb)


def adopt(there: Site, own: Site) -> None:
    found = adoption(own, there.environment.dify.project)
    facts = found.seen.facts
    assert facts
    print(f"database {facts.database / 1e9:.2f} GB, files {facts.files / 1e9:.2f} GB", flush=True)
    report = found.carry_out(drilled=True, keep_days=7)
    print(f"adopted in {report.seconds:.1f} s, without Dify {report.away_s:.1f} s: {report.parts}")
    print(report.proved, flush=True)


if __name__ == "__main__":
    main()
