"""A sandbox of stand-ins that a bench has for itself, and an app in its Dify."""

import copy
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr

from clients.dify.graphs import Graph, reverse
from config.desired import env_file
from config.desired.stack import ROUTES
from config.load import ROOT, load_environment, load_release
from tasks.core.site import Site
from tasks.probes.subjects.portal import open_dify
from tasks.probes.verify.application import Trial
from tasks.steps.docker import compose_prefix
from tasks.steps.pgsql import dify_database
from tasks.steps.stack_nginx import reload
from tests.subnets import free_subnet

ROLLOUT = str(Path(sys.executable).parent / "rollout")
STEPS = ("settings", "migrate", "compose", "portal")
KEYS = {"LOG_LEVEL": "ROLLOUT__DIFY__LOG_LEVEL", "BODY_SIZE_MB": "ROLLOUT__PORTAL__BODY_SIZE_MB"}
PARTS = 5  # of a run: no code may run for longer than 15 s


def given(ports: Sequence[int]) -> dict[str, str]:
    """The environment's keys that make this sandbox one of its own."""
    stack, postgres, redis, http, https = map(str, ports)
    return {
        "ROLLOUT__SANDBOX__HOME": "/var/lib/dify-rollout/bench-switch",
        "ROLLOUT__DIFY__PROJECT": "dify-bench-switch",
        "ROLLOUT__DIFY__SUBNET": free_subnet(),
        "ROLLOUT__DIFY__PORT": stack,
        "ROLLOUT__DIFY__API_WORKERS": "2",  # one is near its end with so many streams
        "ROLLOUT__DIFY__CELERY_WORKERS": "16",
        "ROLLOUT__DIFY__SERVICES": '["api_websocket"]',
        "ROLLOUT__POSTGRES__PORT": postgres,
        "ROLLOUT__REDIS__PORT": redis,
        "ROLLOUT__PORTAL__HTTP_PORT": http,
        "ROLLOUT__PORTAL__HTTPS_PORT": https,
        "ROLLOUT__PORTAL__DOMAIN": "bench.test",
        "ROLLOUT__IMAGES__SOURCE": "rehearsal",
    }


class Sandbox:
    """The environment that the keys of this process describe."""

    def __init__(self) -> None:
        self.environment = load_environment("sandbox")
        self.release = load_release(self.environment.dify.release)
        self.prefix = compose_prefix(Site(self.environment, self.release, {}).node)
        self.address = f"http://127.0.0.1:{self.environment.dify.port}"
        self.routes = self.environment.dify.home / ROUTES

    def run(self, words: Sequence[str]) -> None:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")

    def rollout(self, *words: str) -> None:
        self.run([ROLLOUT, *words])

    def deploy(self, **keys: str) -> None:
        os.environ.update({KEYS[name]: value for name, value in keys.items()})
        self.rollout(*_words())

    def deploying(self, **keys: str) -> "subprocess.Popen[bytes]":
        os.environ.update({KEYS[name]: value for name, value in keys.items()})
        quiet = subprocess.DEVNULL
        return subprocess.Popen([ROLLOUT, *_words()], cwd=ROOT, stdout=quiet, stderr=quiet)

    def another_image(self) -> None:
        """The API's name means another image from now on, which differs in a label."""
        name = self.release.images["api"]
        build = [
            "docker",
            "build",
            "--quiet",
            "--label",
            f"bench={time.time()}",
            "--tag",
            name,
            "-",
        ]
        subprocess.run(build, input=f"FROM {name}\n".encode(), check=True, capture_output=True)
        self.rollout(*_words())

    def reload_twice(self) -> None:
        for _ in range(2):
            reload(self.site({}))

    def site(self, secrets: dict[str, SecretStr]) -> Site:
        return Site(self.environment, self.release, secrets)

    def secrets(self) -> dict[str, SecretStr]:
        found = env_file.parse((self.environment.dify.home / ".env").read_text())
        named = {
            "admin_password": "ROLLOUT_ADMIN_PASSWORD",
            "init_password": "INIT_PASSWORD",
            "postgres_password": "DB_PASSWORD",
        }
        return {secret: SecretStr(found[key]) for secret, key in named.items()}


def _words() -> list[str]:
    return ["deploy", "sandbox", *(word for step in STEPS for word in ("--only", step))]


class App:
    """A workflow that runs for as many seconds as it is asked for, in a Dify that is set up."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.site = sandbox.site(sandbox.secrets())
        with open_dify(self.site) as dify:
            trial = Trial(self.site, dify)
            trial.setup()
            trial.login()
            self.id = dify.workflows.create("bench")
            dify.workflows.publish(self.id, slow())
            self.key = dify.workflows.key(self.id)

    def runs(self) -> int:
        """How many runs of it ended well."""
        query = "SELECT count(*) FROM workflow_runs WHERE app_id = %s AND status = 'succeeded'"
        with dify_database(self.site).connect() as connection:
            row = connection.execute(query, [self.id]).fetchone()
        return int(row[0]) if row else 0


def slow() -> Graph:
    """Code that sleeps for as many seconds as its input says, in several parts."""
    graph = reverse()
    start, middle, end = graph["nodes"]
    code = f"import time; time.sleep(int(q) / {PARTS}); return"
    middle["data"]["code"] = middle["data"]["code"].replace("return", code)
    parts = [copy.deepcopy(middle) | {"id": f"part{n}"} for n in range(PARTS - 1)]
    chain = [start, *parts, middle, end]
    edge = graph["edges"][0]
    graph["edges"] = [
        copy.deepcopy(edge) | {"id": str(n), "source": one["id"], "target": other["id"]}
        for n, (one, other) in enumerate(pairwise(chain))
    ]
    graph["nodes"] = chain
    return graph
