"""An environment whose machine is the lab's node, deployed by the command people type."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.load import ROOT, load_environment, load_release
from config.secrets import generate
from tasks.core.site import Site
from tasks.core.step import Step, converge
from tests.pigsty.contract.subject import LabSubject

ROLLOUT = Path(sys.executable).parent / "rollout"
ENVIRONMENT = "staging"
PROJECT = "dify-lab"
WITHIN_S = 1800
Steps = Callable[[Site], list[Step[Any]]]
REDIS = "redis-dify-1-6379"
CLEAN = (
    f"systemctl stop {REDIS}; rm -rf /data/redis/{REDIS} /etc/redis/{REDIS}.conf"
    f" /etc/systemd/system/{REDIS}.service /etc/nginx/conf.d/{PROJECT}.conf; systemctl reload nginx"
)


class LabSite:
    """`only`: the steps that are run; none for all."""

    def __init__(self, lab: LabSubject, home: Path, only: Sequence[str] = ()) -> None:
        self.lab = lab
        self.secrets: dict[str, SecretStr] = {}
        self.steps = [word for step in only for word in ("--only", step)]
        self.variables = {
            "PATH": f"{lab.programs}:{os.environ['PATH']}",
            "PREFECT_HOME": str(home / "prefect"),
            "ROLLOUT__PIGSTY__HOME": str(lab.tree),
            "ROLLOUT__PIGSTY__ADMIN_IP": lab.address,
            "ROLLOUT__PIGSTY__PG_VERSION": "0",
            "ROLLOUT__PIGSTY__REDIS_NODES": json.dumps([lab.address]),
            "ROLLOUT__POSTGRES__HOST": lab.address,
            "ROLLOUT__POSTGRES__PORT": "5436",
            "ROLLOUT__REDIS__HOST": lab.address,
            "ROLLOUT__REDIS__MAX_MEMORY_MB": "64",
            "ROLLOUT__IMAGES__SOURCE": "rehearsal",
            "ROLLOUT__PORTAL__DOMAIN": "dify-lab.pigsty",
            "ROLLOUT__DIFY__HOME": str(home / "stack"),
            "ROLLOUT__DIFY__DATA": str(home / "data"),
            "ROLLOUT__DIFY__PROJECT": PROJECT,
            "ROLLOUT__DIFY__SUBNET": "172.30.72.0/24",
            "ROLLOUT__DIFY__BIND": self.gateway,
            "ROLLOUT__DIFY__PORT": "28871",  # the usual ones may be those of a sandbox here
            "ROLLOUT__DIFY__DIRECT_PORTS__PLUGIN": "28872",
            "ROLLOUT__NODES__FREE_GB__DISK": "1",
            "ROLLOUT__NODES__FREE_GB__MEMORY": "1",
        }

    def at(self, address: str) -> LabSubject:
        """One of the further machines, or the node itself."""
        number = int(address.rpartition(".")[2]) - int(self.lab.address.rpartition(".")[2])
        name = f"{self.lab.name}-{number}" if number else self.lab.name
        return LabSubject(self.lab.tree.parent, name, address)

    @property
    def gateway(self) -> str:
        """This machine, as the node sees it."""
        return f"{self.lab.address.rpartition('.')[0]}.1"

    def over_ssh(self) -> None:
        """Pigsty's tree is the node's; Dify's containers stay here."""
        config = str(self.lab.tree.parent / "ssh_config")
        addresses = json.dumps([self.gateway])
        self.set({"ADMIN": "lab-node", "SSH_CONFIG": config, "ADDRESSES": addresses}, "NODES")

    def set(self, values: Mapping[str, str], section: str) -> None:
        self.variables |= {f"ROLLOUT__{section}__{name}": text for name, text in values.items()}

    def deploy(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.rollout("deploy", ENVIRONMENT, "--yes", *self.steps, *words)

    def converge(self, *steps: Steps) -> list[str]:
        """What the steps changed, without the command around them."""
        return [
            change.what
            for build in steps
            for part in build(self.opened())
            for change in converge(part).changes
        ]

    def opened(self) -> Site:
        """The environment as the command opens it."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            environment = load_environment(ENVIRONMENT)
        release = load_release(environment.dify.release)
        self.secrets = self.secrets or generate(release, {})
        return Site(environment, release, self.secrets)

    def deployed(self) -> Site:
        """The environment with the secrets that its deploys have given it."""
        site = self.opened()
        names = ("admin_password", "postgres_password", "redis_password")
        asked = {name: self.rollout("secrets", ENVIRONMENT, name).stdout.strip() for name in names}
        return site.replace(secrets={**site.secrets, **{n: SecretStr(t) for n, t in asked.items()}})

    def json(self, *words: str) -> dict[str, Any]:
        """What a command reports, which has ended well."""
        done = self.rollout(*words, "--json")
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return json.loads(done.stdout)

    def rollout(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(str(ROLLOUT), *words),
            cwd=ROOT,
            env={**os.environ, **self.variables},
            input=text,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )

    def command(self, *words: str) -> list[str]:
        """Words that run these where the worker is."""
        return list(words)

    def running(self) -> tuple[str, ...]:
        """What differs after any service of the node was restarted."""
        units = ("patroni", "nginx", "haproxy", "pgbouncer", REDIS, "docker")
        shown = self.lab.inside(f"systemctl show --property=InvocationID {' '.join(units)}").stdout
        return shown, self.lab.postgres_started()


class OneMachine(LabSite):
    """The node is all there is: the tree, the worker, state and portal.

    Only Docker's engine is that of the machine beneath, by its socket.
    """

    def command(self, *words: str) -> list[str]:
        values = [word for item in self.variables.items() for word in ("--env", "=".join(item))]
        where = ["--workdir", str(ROOT), *values, self.lab.name]
        return ["docker", "exec", *where, *words]


def forget(site: LabSite, databases: Sequence[str] = ("dify", "dify_plugin")) -> None:
    """Neither Dify's containers nor its databases are left, nor those of its drills."""
    site.rollout("down", ENVIRONMENT, "--yes")
    for name in (f"{database}{drill}" for database in databases for drill in ("", "_drill")):
        site.lab.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    if site.lab.sql("SELECT 1 FROM pg_roles WHERE rolname = 'dbuser_dify'"):
        site.lab.sql("DROP OWNED BY dbuser_dify CASCADE; DROP ROLE dbuser_dify")


@contextmanager
def further(site: LabSite, count: int) -> Generator[list[str]]:
    """Addresses of machines beside the node, which nobody has used before."""
    network, _, first = site.lab.address.rpartition(".")
    addresses = [f"{network}.{int(first) + number + 1}" for number in range(count)]
    words = ("docker", "rm", "-f", "-v", *(site.at(address).name for address in addresses))
    subprocess.run(words, check=True, capture_output=True)
    more = {**os.environ, "LAB_MORE": str(count)}
    subprocess.run([str(Path(__file__).parent / "node-up")], env=more, check=True)
    try:
        yield addresses
    finally:
        subprocess.run(words, check=True, capture_output=True)


@contextmanager
def lab_site(*only: str, kind: type[LabSite] = LabSite) -> Generator[LabSite]:
    """One that leaves nothing on the node but its databases."""
    lab = LabSubject(Path(os.environ["LAB_HOME"]), os.environ["LAB_NAME"], os.environ["LAB_IP"])
    home = Path(tempfile.mkdtemp(prefix="rollout-lab-", dir=lab.tree.parent))
    before = (lab.tree / "pigsty.yml").read_bytes()
    made = kind(lab, home, only)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", made.variables["PATH"])
            yield made
    finally:
        (lab.tree / "pigsty.yml").write_bytes(before)
        lab.inside(CLEAN)
        shutil.rmtree(home, ignore_errors=True)
