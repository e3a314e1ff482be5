"""Which plays a playbook has, by its file's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import docker, pitr, portal, postgres, redis
from engine.inventory import Inventory
from engine.play import Done, Play, Task
from engine.world import Host, World

Hosts = Callable[[str], list[Host]]


def plays(path: Path, world: World, hosts: Hosts, given: dict[str, Any]) -> list[Play]:
    tree, everywhere = path.parent, hosts("all")
    infra = [*_identity(), *portal.tasks(tree, world.modern)]
    cluster = Play("PGSQL", "all", [*_identity(), *postgres.cluster_tasks(everywhere)])
    authority = Play("CA", "localhost", portal.authority_tasks(tree), ("ca",))
    known = {
        "infra.yml": [authority, Play("INFRA", "infra", infra)],
        "pgsql.yml": [cluster],
        "pgsql-user.yml": [Play("PGSQL USER", "all", postgres.user_tasks(everywhere, given))],
        "pgsql-db.yml": [Play("PGSQL DB", "all", postgres.database_tasks(everywhere, given))],
        "pgsql-pitr.yml": [Play("PGSQL PITR", "all", pitr.tasks(given))],
        "redis.yml": [Play("REDIS", "all", redis.tasks(everywhere, given))],
        "docker.yml": [Play("DOCKER", "all", [*_identity(), *docker.tasks()])],
    }
    everything = [authority, Play("INFRA", "infra", infra), cluster]
    known["deploy.yml"] = known["install.yml"] = everything
    return known[path.name]


def _identity() -> list[Task]:
    def identify(host: Host) -> Done:
        return Done("ok", f"nodename: {host.name}")

    return [Task("node_id : get node fact", identify, ("always", "node-id"))]


def matching(inventory: Inventory, play: Play, limit: str | None) -> list[str]:
    """Hosts of the play that the limit leaves."""
    if play.hosts == "localhost":
        return ["localhost"] if limit is None else []
    pattern = inventory.match(play.hosts)
    return pattern if limit is None else [h for h in pattern if h in inventory.match(limit)]
