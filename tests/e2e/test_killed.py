"""kill -9 at each step boundary and inside the long steps: the next deploy finishes the job."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from typing import Any

import docker
import pytest

from config.load import ROOT
from tests.long import long

DRIVER = """
import os, signal, sys, threading
import tasks.core.step as loop
where, when = sys.argv[1:3]
converge = loop.converge
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def killed(step, **options):
    if step.name == where and when == "before":
        die()
    if step.name == where and when != "after":
        threading.Timer(float(when), die).start()
    outcome = converge(step, **options)
    if step.name == where and when == "after":
        die()
    return outcome
loop.converge = killed
sys.argv = ["rollout", "deploy", "sandbox"]
from cli.main import main
main()
"""
# The order of a rollout; each run of the chain is killed a little later than the one before.
POINTS = [
    *(long(name, "before") for name in ("docker", "pgsql", "redis")),
    ("pgsql", "after"),
    long("redis", "after"),
    long("images", "after"),
    long("settings", "before"),
    ("settings", "after"),
    ("migrate", "0.5"),
    long("migrate", "2.0"),
    ("migrate", "after"),
    long("compose", "before"),
    ("compose", "0.8"),
    long("compose", "4.0"),
    ("compose", "after"),
    long("portal", "before"),
    ("portal", "0.02"),
    ("portal", "after"),
    long("hosts", "before"),
    ("hosts", "after"),
]


@pytest.fixture(scope="module")
def victim(new_machine: Any, deployed: Any) -> Generator[Any]:
    """A machine of its own, its runs recorded by the other one's Prefect server."""
    made = new_machine("killed", **deployed.client)
    try:
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


@pytest.mark.parametrize(("step", "when"), POINTS)
def test_a_run_dies_at(victim: Any, step: str, when: str) -> None:
    """Every one of them starts from what the dead ones before left, and gets as far as its own end.

    A step that ends sooner than the shot would be no interruption: the process must have died.
    """
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, step, when],
        cwd=ROOT, env={**os.environ, **victim.variables}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (-9, 0), done.stderr
    if when in ("before", "after"):
        assert done.returncode == -9, done.stderr
    assert "Traceback" not in done.stderr
    assert "error:" not in done.stderr


def test_the_next_deploy_finishes_the_job_and_nothing_is_doubled(victim: Any) -> None:
    victim.rollout("deploy", "sandbox")
    assert victim.json("deploy", "sandbox")["changes"] == 0
    services = [
        c.labels["com.docker.compose.service"]
        for c in docker.from_env().containers.list(
            all=True, filters={"label": f"com.docker.compose.project={victim.project}"}
        )
    ]
    assert sorted(services) == sorted(set(services))
    assert services.count("worker_beat") == 1
    with victim.database() as connection:
        for table in ("dify_setups", "accounts", "tenants", "alembic_version"):
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert row == (1,), table
    hosts = open("/etc/hosts").read()  # noqa: PTH123, SIM115
    assert hosts.count("killed.test") == 1


def test_two_commands_at_once_one_is_refused_and_told_who_holds_the_lock(victim: Any) -> None:
    hold = (
        "import os,sys,time;from pathlib import Path\n"
        "from clients.node import LocalNode;from tasks.core.lock import rollout_lock\n"
        "with rollout_lock(LocalNode(),Path(sys.argv[1]),environment='sandbox',run='first'):\n"
        " print('held',flush=True);time.sleep(120)"
    )
    lock = victim.home / "sandbox" / "stack.lock"
    first = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout and first.stdout.readline() == "held\n"
    for words in (["deploy"], ["backup", "take"], ["drill"], ["restore", "--yes"]):
        second = victim.rollout(*words, "sandbox", check=False)
        assert second.returncode == 1
        assert f"pid {first.pid}, run first) since {time.strftime('%Y-')}" in second.stderr
        assert "Traceback" not in second.stderr
    first.kill()
    first.wait()
    assert victim.json("deploy", "sandbox")["changes"] == 0
