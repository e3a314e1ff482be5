"""Measures an upgrade for docs/performance.md: time without Dify, the way back, a rehearsal.

    uv run python -m bench.upgrade [--mb 1000]

As root; brings a sandbox of its own with a database of that size. Beside the way back, in the same
run: `pg_restore` alone of the same database. People's answers during a rehearsal: 20 requests a
second at the portal, before it and meanwhile.
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from threading import Event, Thread

import httpx

from bench.rows import fill
from config.load import ENVIRONMENTS
from tests.e2e.conftest import Machine, machine

# The second may serve beside the first, the third may not.
OLD, NEW, NEWEST = "1.15.0", "1.16.1", "1.17.1"
EVERY_S = 0.05


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--mb", type=int, default=1000)
    mb = options.parse_args().mb
    # An upgrade writes its release there.
    own = ENVIRONMENTS / "sandbox.toml"
    before = own.read_bytes()
    made = machine(
        "bench-up",
        PREFECT_API_URL="",
        ROLLOUT__DIFY__RELEASE=OLD,
        ROLLOUT__UPGRADE__WATCH_S="0",
    )
    try:
        made.rollout("deploy", "sandbox")
        with made.database() as connection:
            fill(connection, mb)
        restored_s = pg_restore(made)
        print(f"pg_restore alone: {restored_s:.1f} s", flush=True)
        made.rollout("backup", "sandbox")
        rehearsal(made)
        for to in (NEW, NEWEST):
            upgrade(made, to, restored_s)
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)
        own.write_bytes(before)


def pg_restore(made: Machine) -> float:
    """Seconds that PostgreSQL's own program takes for the database, into a new one."""
    programs = next((made.home / "sandbox" / "postgres").glob("*/**/bin/pg_restore")).parent
    with made.database() as connection:
        known = connection.info
        env = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(known.port)}
        env |= {"PGUSER": known.user, "PGPASSWORD": known.password}
    dump = made.home / "dify.dump"
    subprocess.run(
        [programs / "pg_dump", "-Fc", "-Z1", "-f", dump, "--table", "bench", "dify"],
        env=env, check=True,
    )  # fmt: skip
    with made.database(autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bench_aside")
        connection.execute("ALTER TABLE bench SET SCHEMA bench_aside")
    took = timed(
        lambda: subprocess.run([programs / "pg_restore", "-d", "dify", dump], env=env, check=True)
    )
    with made.database(autocommit=True) as connection:
        connection.execute("DROP SCHEMA bench_aside CASCADE")
    dump.unlink()
    return took


def rehearsal(made: Machine) -> None:
    over, seen = Event(), list[float]()
    before = asked(made, 30)
    looks = Thread(target=lambda: seen.extend(asked(made, 3600, over)))
    looks.start()
    took = timed(lambda: made.rollout("upgrade", "sandbox", "--to", NEW, "--rehearse"))
    over.set()
    looks.join()
    print(f"rehearsal: {took:.1f} s; answers before it: {told(before)}; meanwhile: {told(seen)}")


def asked(made: Machine, seconds: float, over: Event | None = None) -> list[float]:
    """Seconds of each answer of Dify's API behind the portal."""
    name = made.variables["ROLLOUT__PORTAL__DOMAIN"]
    url = f"https://127.0.0.1:{made.variables['ROLLOUT__PORTAL__HTTPS_PORT']}/console/api/setup"
    found: list[float] = []
    began = time.monotonic()
    with httpx.Client(verify=False, headers={"Host": name}, timeout=30) as client:  # noqa: S501
        while time.monotonic() - began < seconds and not (over and over.is_set()):
            at = time.monotonic()
            client.get(url, extensions={"sni_hostname": name}).raise_for_status()
            found.append(time.monotonic() - at)
            time.sleep(EVERY_S)
    return found


def told(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return (
        f"median {statistics.median(ordered) * 1000:.1f} ms, "
        f"p95 {ordered[len(ordered) * 95 // 100] * 1000:.1f} ms of {len(ordered)}"
    )


def upgrade(made: Machine, to: str, restored_s: float) -> None:
    done = made.json("upgrade", "sandbox", "--to", to)
    parts = {part["part"]: part["seconds"] for part in done["parts"]}
    away_s = done["downtime_s"]
    print(f"{OLD} to {to}: {done['seconds']:.1f} s, without Dify {away_s:.1f} s: {parts}")
    print(
        f"without Dify, the migration left out: {max(0, away_s - parts.get('migrate', 0.0)):.1f} s"
    )
    took = timed(lambda: made.rollout("rollback", "sandbox", "--yes"))
    print(f"way back: {took:.1f} s; wanted at most {60 + 1.2 * restored_s:.1f} s", flush=True)


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
