"""How long health takes and whether it cries wolf, measured on a deployed sandbox.

    uv run python bench/health.py sandbox [--runs 500] [--fleet 1000] [--no-single]

0 leaves a part out. Needs the sandbox's Prefect server. Simulated environments are many names for
that one stack.
"""

import argparse
import os
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")

from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from cli.runs import own_server
from config.load import load_environment
from config.rules.finding import Status
from config.rules.health.record import Record
from flows.health import health
from flows.parts.opening import read_only
from tasks.core.site import Site
from tasks.probes.health.ask import ask
from tasks.probes.health.fleet import visit
from tasks.probes.health.record import record as recorded


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("environment")
    options.add_argument("--runs", type=int, default=500)
    options.add_argument("--fleet", type=int, default=1000)
    options.add_argument("--at-once", type=int, default=8)
    options.add_argument("--no-single", dest="single", action="store_false")
    chosen = options.parse_args()
    own = own_server(load_environment(chosen.environment))
    with temporary_settings({**own, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        site = read_only(chosen.environment)
        if chosen.single:
            one(site)
        if chosen.runs:
            false_alarms(site, chosen.runs)
        if chosen.fleet:
            fleet(site, chosen.fleet, chosen.at_once)


def one(site: Site) -> None:
    """All probes of one environment, warm; and the whole flow run around them."""
    seen = ask(site, Record())
    looks: list[float] = []
    for _ in range(30):
        seen = ask(site, seen.record)
        looks.append(seen.seconds)
    told(f"all {len(seen.findings)} probes", looks)
    health(site.name)
    runs: list[float] = []
    for _ in range(10):
        began = time.perf_counter()
        health(site.name)
        runs.append(time.perf_counter() - began)
    told("flow run, remembered, artifacts made", runs)


def false_alarms(site: Site, runs: int) -> None:
    """Looks at a quiet system: what was ever bad though nothing was wrong."""
    record, alarms, answers = Record(), Counter[str](), Counter[str]()
    for turn in range(runs):
        seen = ask(site, record)
        record = seen.record
        if turn:  # the first one tells what has never been: backup, drill
            alarms.update(f"{alert.finding.probe} {alert.kind}" for alert in seen.alerts)
            answers.update(f.probe for f in seen.findings if f.status is Status.FAIL)
    print(f"{runs} runs: {sum(alarms.values())} false alarms {dict(alarms)}, "
          f"{sum(answers.values())} single failed answers {dict(answers)}", flush=True)  # fmt: skip


def fleet(site: Site, count: int, at_once: int) -> None:
    """Many names for one stack, each with its record, events and lock on the server."""
    names = [f"bench-{number:04}" for number in range(count)]

    def opened(name: str) -> Site:
        # Never backed up, and its files bear the name of the one stack there is.
        skip = {"skip": ["restore point", "drill", "files"]}
        health = site.environment.health.model_copy(update=skip)
        other = site.environment.model_copy(update={"name": name, "health": health})
        return site.replace(environment=other)

    for what in ("first run of", "next run of"):
        visited(what, names, opened, at_once)
    forget(names)


def visited(what: str, names: list[str], opened: Callable[[str], Site], at_once: int) -> None:
    """The first run makes each environment's record on the server, the next ones replace it."""
    began, spent = time.perf_counter(), cpu_s()
    print(f"{what} {len(names)} environments, {at_once} at once")
    for first in range(0, len(names), 100):
        wall, cpu = time.perf_counter(), cpu_s()
        found = visit(names[first : first + 100], opened, recorded, at_once=at_once)
        count = len(found)
        wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
        own = f"own processor {cpu / count * 1000:4.0f} ms each"
        own = f"own processor {cpu / count * 1000:4.0f} ms each"
        print(f"  {first + count:5}: {wall:5.1f} s, {own}, {resident_mb():.0f} MB", flush=True)
    took, cpu = time.perf_counter() - began, cpu_s() - spent
    print(f"  in all {took:.1f} s, own processor {cpu:.0f} s")


def cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def forget(names: list[str]) -> None:
    with get_client(sync_client=True) as client:
        for name in names:
            found = client.read_block_document_by_name(f"health-{name}", "health-record")
            client.delete_block_document(found.id)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def told(what: str, seconds: list[float]) -> None:
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    print(f"{what}: median {middle:.2f} s, {low:.2f} to {high:.2f} s, {len(seconds)} times")


if __name__ == "__main__":
    main()
