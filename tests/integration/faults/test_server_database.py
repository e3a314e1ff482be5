"""A run whose Prefect server loses its PostgreSQL in the middle: the work and its record stay."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from config.load import ROOT
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox import postgres
from tasks.steps.pgsql import prefect_database_steps
from tasks.steps.table import PARTS
from tests.integration import prefect_server
from tests.integration.faults.proxy import Proxy, Way, proxy, tcp
from tests.ports import free_ports

PASSWORD = "of-the-server"
# A run of five tasks that is in the middle until the file `go` is there.
COMMAND = """
import os, sys, time
from pathlib import Path
from cli import check, main, runs

def check_(environment, *, as_json):
    from prefect import flow
    from flows.parts import recording
    from flows.parts.graph import Graph
    from flows.parts.run import recorded
    from tasks.core.site import without_secrets
    from tasks.core.tasks import task

    done = []

    @task("work", within_s=300)
    def work(site, number):
        done.append(number)
        return number

    @flow(name="work", persist_result=False)
    @recorded
    def worked(environment: str):
        graph = Graph(without_secrets(environment))
        graph.run(work, 0)
        recording.table("before", [{"a": 1}], "before")
        print("middle", flush=True)
        while not Path(os.environ["GO"]).exists():
            time.sleep(0.05)
        for number in range(1, 5):
            graph.run(work, number)
            recording.table(f"after-{number}", [{"a": 1}], "after")
            time.sleep(float(os.environ["EACH_S"]))
        return done

    print(runs._run(worked, environment="sandbox"))

check.check = check_
sys.argv = ["rollout", "check", "sandbox"]
main.main()
"""


@dataclass(frozen=True)
class Server:
    """A Prefect server, its PostgreSQL, and the proxy between them."""

    url: str
    site: Site
    proxy: Proxy
    folder: Path

    def run(self, meanwhile: Callable[[], object], each_s: float) -> tuple[int, str, str, float]:
        """Status and output of a run that this happens to in the middle, and seconds from then."""
        go = self.folder / "go"
        go.unlink(missing_ok=True)
        own = {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.folder / "own"),
               "GO": str(go), "EACH_S": str(each_s)}  # fmt: skip
        with subprocess.Popen(
            [sys.executable, "-c", COMMAND], cwd=ROOT, env={**os.environ, **own}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout and process.stdout.readline() == "middle\n"
            meanwhile()
            began = time.monotonic()
            go.touch()
            out, said = process.communicate(timeout=500)
        return process.returncode, out, said, time.monotonic() - began

    def newest(self) -> dict[str, Any]:
        with httpx.Client(base_url=self.url, timeout=60) as api:
            body = {"sort": "START_TIME_DESC", "limit": 1}
            [found] = api.post("/flow_runs/filter", json=body).raise_for_status().json()
            return found


@pytest.fixture(scope="module")
def server(base: Site, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder, [port] = tmp_path_factory.mktemp("server"), free_ports(1)
    for step in prefect_database_steps(base, SecretStr(PASSWORD)):
        converge(step)
    with proxy(tcp("127.0.0.1", base.environment.postgres.port)) as way:
        login = f"postgresql+asyncpg://prefect:{PASSWORD}@127.0.0.1:{way.port}/prefect"
        variables = {"PREFECT_API_DATABASE_CONNECTION_URL": login}
        with prefect_server.server(folder, port, **variables) as url:
            yield Server(url, base, way, folder)


def restarted(site: Site) -> None:
    postgres.stop(site)
    for step in PARTS["pgsql"](site):
        converge(step)


@pytest.mark.long
def test_a_postgresql_that_is_restarted_costs_the_run_nothing(server: Server) -> None:
    status, out, said, _ = server.run(lambda: restarted(server.site), 0.1)
    assert (status, out) == (0, "[0, 1, 2, 3, 4]\n"), said
    assert "Traceback" not in said and "missing" not in said, said
    assert server.newest()["state_type"] == "COMPLETED"


@pytest.mark.long
def test_a_postgresql_that_is_away_for_20_s_costs_the_run_nothing(server: Server) -> None:
    status, out, said, seconds = server.run(lambda: server.proxy.away(20), 1)
    print(f"measured: {seconds:.1f} s\n{said}")
    assert (status, out) == (0, "[0, 1, 2, 3, 4]\n"), said
    assert "Traceback" not in said, said
    assert server.newest()["state_type"] == "COMPLETED"


@pytest.mark.long
@pytest.mark.parametrize("way", [Way.CLOSED, Way.HANGING])
def test_the_work_ends_well_although_it_stays_away(server: Server, way: Way) -> None:
    try:
        status, out, said, seconds = server.run(lambda: server.proxy.set(way), 0.1)
    finally:
        server.proxy.set(Way.OPEN)
    print(f"measured: {seconds:.1f} s\n{said}")
    assert (status, out) == (0, "[0, 1, 2, 3, 4]\n"), said
    assert "Traceback" not in said, said
    assert "how is not recorded there" in said, said
