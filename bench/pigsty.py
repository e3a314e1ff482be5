"""A deploy with nothing to do on Pigsty, against Pigsty's own app.yml with nothing to do.

    uv run python bench/pigsty.py ENVIRONMENT

Both in one run, in turns, on the same nodes: the environment must be deployed, and its tree lie on
this machine, with Ansible on PATH. Pigsty's playbook gives the portal's node its app `dify` as the
tree's own conf/app/dify.yml defines it. Its last task, `docker compose up`, is done with the
containers that are there, where they are: nothing to do for it either. Without PREFECT_API_URL a
server is started for it, as one runs wherever deploys are made.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from clients.node import LocalNode
from config.environment import Environment
from config.load import load_environment
from tasks.steps.docker import compose_prefix
from tests.integration.prefect_server import server
from tests.ports import free_ports

ROLLOUT = str(Path(sys.executable).parent / "rollout")
TIMES = 3
AT_MOST = 1 / 5


def main() -> int:
    if "PREFECT_API_URL" in os.environ:
        return compare(*sys.argv[1:])
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder), *free_ports(1)) as url,
    ):
        os.environ["PREFECT_API_URL"] = url
        return compare(*sys.argv[1:])


def compare(name: str) -> int:
    environment = load_environment(name)
    pigsty, stack = environment.pigsty, environment.dify.home
    playbook = _playbook(environment)
    launch = [*compose_prefix(LocalNode()), "up", "--detach"]
    _timed(playbook, pigsty.home)
    app_yml: list[float] = []
    rollout: list[float] = []
    report: dict[str, Any] = {}
    for _ in range(TIMES):
        app_yml.append(_timed(playbook, pigsty.home)[0] + _timed(launch, stack)[0])
        seconds, output = _timed([ROLLOUT, "deploy", name, "--yes", "--json"], Path.cwd())
        report = json.loads(output)
        assert report["changes"] == 0, "the deploy had something to do"
        rollout.append(seconds)
    app, deploy = statistics.median(app_yml), statistics.median(rollout)
    parts = ", ".join(f"{step['step']} {step['seconds']:.2f}" for step in report["steps"])
    print(f"app.yml          {app:6.2f} s   {', '.join(f'{s:.2f}' for s in app_yml)}")
    print(f"rollout deploy   {deploy:6.2f} s   {', '.join(f'{s:.2f}' for s in rollout)}")
    print(f"  of which the run itself {report['seconds']:.2f} s: {parts}")
    print(f"one in {app / deploy:.1f}, expected one in {1 / AT_MOST:.0f} or less")
    return 0 if deploy <= app * AT_MOST else 1


def _playbook(environment: Environment) -> list[str]:
    """Pigsty's playbook of apps, with the variables its own definition of Dify has."""
    file = environment.pigsty.home / "conf/app/dify.yml"
    definition: Any = YAML(typ="safe").load(file)  # pyright: ignore[reportUnknownMemberType]
    variables = {**definition["all"]["children"]["dify"]["vars"], "docker_enabled": True}
    return ["./app.yml", "-l", environment.pigsty.admin_ip, "-e", json.dumps(variables),
            "--skip-tags", "app_launch"]  # fmt: skip


def _timed(words: list[str], folder: Path) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return time.monotonic() - began, done.stdout


if __name__ == "__main__":
    sys.exit(main())
