"""What a machine holds that has to be the same after an interruption and a rerun."""

import hashlib
import json
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, LiteralString

import docker
from psycopg import sql

from tests.e2e.conftest import Machine

State = Mapping[str, Any]
EVERY: dict[str, LiteralString] = {
    "databases": "SELECT datname FROM pg_database ORDER BY 1",
    "roles": "SELECT rolname FROM pg_roles ORDER BY 1",
}


def state(machine: Machine) -> State:
    """Name of a thing → what it is."""
    return {
        **_containers(machine.project),
        **_files(machine.home / "sandbox" / "stack"),
        **_files(machine.home / "sandbox" / "data" / "app"),
        **_rows(machine),
        **_left_over(machine),
        **_daemons(machine),
    }


def differences(before: State, after: State, volatile: set[str]) -> dict[str, tuple[Any, Any]]:
    """Thing → what it was and what it is, of those that are not the same."""
    names = (before.keys() | after.keys()) - volatile
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(names)
        if before.get(name) != after.get(name)
    }


def _containers(project: str) -> State:
    found: dict[str, list[str]] = {}
    label = f"com.docker.compose.project={project}"
    engine: Any = docker.from_env()
    for each in engine.containers.list(all=True, filters={"label": label}):
        service = each.labels["com.docker.compose.service"]
        image = each.attrs["Image"]
        found.setdefault(f"container {service}", []).append(f"{image} {each.status}")
    return found


def _files(folder: Path) -> State:
    """But what a deploy keeps of an edit by hand: that was the damage of a moment."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".previous")
    return {f"file {path}": _file(path) for path in files}


def _file(path: Path) -> str:
    found = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{stat.S_IMODE(found.st_mode):o} {found.st_uid}:{found.st_gid} {digest}"


def _rows(machine: Machine) -> State:
    """Number and digest of the rows of each table; which databases and roles there are."""
    with machine.database() as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        query = sql.SQL("SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} t")
        found: dict[str, Any] = {
            f"table {name}": connection.execute(query.format(sql.Identifier(name))).fetchone()
            for (name,) in tables
        }
        for name in ("databases", "roles"):
            found[name] = connection.execute(EVERY[name]).fetchall()
    return found


def _left_over(machine: Machine) -> State:
    """What no command may leave: a drill's containers and networks, a lock, a second line."""
    engine: Any = docker.from_env()
    mine = [each for each in engine.containers.list(all=True) if machine.project in str(each.name)]
    networks = [each.name for each in engine.networks.list() if machine.project in str(each.name)]
    domain = machine.variables["ROLLOUT__PORTAL__DOMAIN"]
    return {
        "number of containers": len(mine),
        "networks": sorted(map(str, networks)),
        "volumes": sorted(v.name for v in engine.volumes.list() if machine.project in v.name),
        "lines of the domain": Path("/etc/hosts").read_text().count(domain),
    }


def locks(machine: Machine) -> int:
    """How many the repository has: those that dead commands left are removed once in the way."""
    folder = machine.home / "sandbox" / "backups" / "locks"
    return len(list(folder.iterdir())) if folder.exists() else 0


def _daemons(machine: Machine) -> State:
    """How many servers serve the machine's directory."""
    lines = subprocess.run(["ps", "-eo", "ppid=,args="], capture_output=True, text=True).stdout
    mine = [line for line in lines.splitlines() if str(machine.home) in line]
    kinds = ("/postgres ", "redis-server ", "nginx: master", " rollout ", "restic ", "compose ")
    return {f"processes {kind.strip()}": sum(kind in line for line in mine) for kind in kinds}


def points(machine: Machine) -> dict[str, Any]:
    """Name → what the list says of each restore point."""
    found = json.loads(machine.rollout("backup", "list", "sandbox", "--json").stdout)
    return {point["point"]: point for point in found["points"]}
