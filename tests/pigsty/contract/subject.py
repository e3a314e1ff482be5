"""The two things a contract holds for, behind one face: the double, and real Pigsty in the lab."""

import os
import re
import shlex
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import yaml
from redis import Redis

from tests.pigsty.double.build import Double

_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WITHIN_S = 1200  # a cluster made again, on a machine that does much else
SETTLE_S = 5.0


class Ran:
    """How a command of Pigsty's ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.text = _COLOUR.sub("", done.stdout + done.stderr)

    def __repr__(self) -> str:
        return f"status {self.status}\n{self.text}"

    @property
    def hosts(self) -> dict[str, dict[str, int]]:
        """PLAY RECAP."""
        return {
            host: {name: int(count) for name, count in (word.split("=") for word in counts.split())}
            for host, counts in _RECAP.findall(self.text)
        }


class Subject(ABC):
    """A tree of Pigsty, one machine, and how a test looks at it and disturbs it."""

    tree: Path
    address: str
    http_port: int
    https_port: int
    programs: Path
    nobody: str  # an address of no machine

    def run(self, *words: str, cwd: Path | None = None) -> Ran:
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            [str(self.tree / words[0]) if cwd else words[0], *words[1:]],
            cwd=cwd or self.tree,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
        return Ran(done)

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change pigsty.yml for the rest of the test; `change` gets what is below `all`."""
        path = self.tree / "pigsty.yml"
        tree = yaml.safe_load(path.read_text())
        change(tree["all"])
        path.write_text(yaml.safe_dump(tree, sort_keys=False))

    def cluster(self, **values: Any) -> None:
        """Add to lists of, or set, variables of the cluster pg-meta."""

        def change(tree: dict[str, Any]) -> None:
            known = tree["children"]["pg-meta"]["vars"]
            for name, value in values.items():
                known[name] = known.get(name, []) + value if isinstance(value, list) else value

        self.edit(change)

    def group(self, name: str, host: str, own: Mapping[str, Any], **values: Any) -> None:
        def change(tree: dict[str, Any]) -> None:
            tree["children"][name] = {"hosts": {host: dict(own)}, "vars": values}

        self.edit(change)

    def portal(self, **entries: Mapping[str, Any]) -> None:
        self.edit(lambda tree: tree["vars"]["infra_portal"].update(entries))

    def common(self, **values: Any) -> None:
        self.edit(lambda tree: tree["vars"].update(values))

    def serves(self, domain: str, status: int) -> bool:
        """Whether the portal comes to answer that over http; 0 means that nobody answers."""
        ask = (f"http://{domain}:{self.http_port}/", domain, self.http_port)
        return self._eventually(lambda: self._curl(*ask) == status)

    def serves_securely(self, domain: str, status: int) -> bool:
        """The same over https, verified with Pigsty's authority; 0: the certificate is wrong."""
        authority = str(self.tree / "files/pki/ca/ca.crt")
        ask = (f"https://{domain}:{self.https_port}/", domain, self.https_port)
        return self._eventually(lambda: self._curl(*ask, "--cacert", authority) == status)

    def _eventually(self, holds: Callable[[], bool]) -> bool:
        """nginx reloads after it has said so."""
        deadline = time.monotonic() + SETTLE_S
        while not (held := holds()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return held

    def _curl(self, url: str, domain: str, port: int, *options: str) -> int:
        where = ("--noproxy", "*", "--resolve", f"{domain}:{port}:{self.address}")
        show = ("--output", os.devnull, "--write-out", "%{http_code}")
        words = ("curl", "--silent", "--max-time", "10", *where, *show, *options, url)
        return int(subprocess.run(words, capture_output=True, text=True).stdout)

    def redis(self, port: int, password: str) -> Redis:
        return Redis(self.address, port, password=password, decode_responses=True)

    def postgres_started(self) -> str:
        return self.sql("SELECT pg_postmaster_start_time()")

    def logs_in(self, user: str, password: str, database: str = "postgres") -> bool:
        """Whether PostgreSQL lets the user in over the network."""
        try:
            psycopg.connect(
                host=self.address, user=user, password=password, dbname=database, connect_timeout=30
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    @abstractmethod
    def sql(self, statement: str, database: str = "postgres") -> str:
        """What the cluster's administrator is answered, one row a line."""

    @abstractmethod
    def read(self, path: str) -> str | None:
        """A file of the machine's."""

    @abstractmethod
    def mode(self, path: str) -> int:
        """Its permission bits."""

    @abstractmethod
    def close(self, path: str) -> None:
        """Nobody but its owner reads the file."""

    @abstractmethod
    def write(self, path: str, text: str) -> None: ...

    @abstractmethod
    def remove(self, path: str) -> None: ...

    @abstractmethod
    def docker_starts(self) -> str:
        """Something that differs after Docker was restarted."""

    @abstractmethod
    def break_pooler(self) -> None:
        """pgbouncer ends and does not start again."""

    @abstractmethod
    def mend_pooler(self) -> None: ...

    @abstractmethod
    def take_sudo(self) -> None:
        """Whom Ansible logs in as may not become root."""

    @abstractmethod
    def give_sudo(self) -> None: ...


class DoubleSubject(Subject):
    def __init__(self, double: Double) -> None:
        self.double = double
        self.tree, self.address, self.programs = double.tree, double.addresses[0], double.programs
        self.http_port, self.https_port = double.http_port, double.https_port
        self.nobody = "192.0.2.1"

    def sql(self, statement: str, database: str = "postgres") -> str:
        psql = str(self.double.folder / "pgsql/x/pginstall/bin/psql")
        where = ("-h", str(self.double.path("/pg/run")), "-U", "postgres", "-d", database)
        done = subprocess.run(
            (psql, "-AXtq", *where, "-c", statement), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def read(self, path: str) -> str | None:
        found = self.double.path(path)
        return found.read_text() if found.exists() else None

    def mode(self, path: str) -> int:
        return self.double.path(path).stat().st_mode & 0o777

    def close(self, path: str) -> None:
        self.double.path(path).chmod(0o600)

    def write(self, path: str, text: str) -> None:
        self.double.path(path).write_text(text)

    def remove(self, path: str) -> None:
        self.double.path(path).unlink(missing_ok=True)

    def docker_starts(self) -> str:
        return str(self.double.journal().count("restarted docker"))

    def break_pooler(self) -> None:
        self.double.take_down("pgbouncer")

    def mend_pooler(self) -> None:
        self.double.put_back("pgbouncer")

    def take_sudo(self) -> None:
        self.double.take_sudo()

    def give_sudo(self) -> None:
        self.double.give_sudo()


class LabSubject(Subject):
    def __init__(self, home: Path, name: str, address: str) -> None:
        self.tree, self.address, self.programs = home / "pigsty", address, home / "ansible/bin"
        self.http_port, self.https_port = 80, 443
        self.nobody = f"{address.rpartition('.')[0]}.250"
        self.name = name

    def inside(self, command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        words = ("docker", "exec", "-i", self.name, "/bin/sh", "-c", command)
        return subprocess.run(words, input=text, capture_output=True, text=True)

    def sql(self, statement: str, database: str = "postgres") -> str:
        psql = shlex.join(("psql", "-AXtq", "-d", database, "-c", statement))
        done = self.inside(f"cd / && su postgres -c {shlex.quote(psql)}")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def read(self, path: str) -> str | None:
        done = self.inside(f"cat {shlex.quote(path)}")
        return done.stdout if done.returncode == 0 else None

    def mode(self, path: str) -> int:
        return int(self.inside(f"stat -L -c %a {shlex.quote(path)}").stdout, 8)

    def close(self, path: str) -> None:
        self.inside(f"chmod 600 {shlex.quote(path)}")

    def write(self, path: str, text: str) -> None:
        self.inside(f"cat >{shlex.quote(path)}", text)

    def remove(self, path: str) -> None:
        self.inside(f"rm -f {shlex.quote(path)}")

    def docker_starts(self) -> str:
        return self.inside("systemctl show --property=InvocationID docker").stdout

    def break_pooler(self) -> None:
        folder = "/run/systemd/system/pgbouncer.service.d"
        broken = "[Service]\nExecStartPre=/bin/false\n"
        self.inside(f"mkdir -p {folder} && cat >{folder}/broken.conf", broken)
        self.inside("systemctl daemon-reload && systemctl stop pgbouncer")

    def mend_pooler(self) -> None:
        self.inside("rm -r /run/systemd/system/pgbouncer.service.d; systemctl daemon-reload; "
                    "systemctl reset-failed pgbouncer; systemctl restart pgbouncer")  # fmt: skip

    def take_sudo(self) -> None:
        self.inside("mv /etc/sudoers.d/dba /root/dba.sudo")

    def give_sudo(self) -> None:
        self.inside("mv /root/dba.sudo /etc/sudoers.d/dba")
