"""What a PostgreSQL cluster of Pigsty's consists of on each of its machines, beside the server."""

from dataclasses import dataclass

from config.desired.inventory.data import items, mapping
from config.desired.inventory.groups import Group

SERVICES = (5433, 5434, 5436, 5438)  # Pigsty's pg_default_services


@dataclass(frozen=True, slots=True)
class Part:
    """What the playbook makes with these tags; it answers on these ports.

    `tags` are those of both generations: Ansible passes over one that a tree does not have.
    """

    name: str
    ports: tuple[int, ...]
    tags: tuple[str, ...]


ROLE = "dbrole_readonly"  # the first that Pigsty makes in a new cluster
INIT = Part(
    "the roles of Pigsty",
    (),
    ("pg_init", "pg_pass", "pg_replica", "pg_hba", "pg_reload", "patroni_reload", "pg_patroni",
     "pg_user", "pg_db"),
)  # fmt: skip


def parts(group: Group) -> list[Part]:
    """What the inventory wants of the cluster, in the order of the playbook.

    The first part answers on no port: it is there with its role.
    """
    known = [
        Part(
            "pgbouncer",
            _ports(group, "pgbouncer", 6432),
            ("pgbackrest", "pg_crontab", "pgbouncer"),
        ),
        Part("HAProxy", _services(group), ("pg_vip", "pg_dns", "pg_service")),
        Part(
            "pg_exporter",
            _ports(group, "pg_exporter", 9630),
            ("pg_exporter", "pgbouncer_exporter", "pgbackrest_exporter", "pg_register"),
        ),
    ]
    init = [INIT] if group.value("pg_default_roles") is None else []
    return [*init, *(part for part in known if part.ports)]


def rest(wanted: list[Part], lacking: list[Part]) -> tuple[str, ...]:
    """Tags of the playbook from the first part that lacks to its end."""
    if not lacking:
        return ()
    return tuple(tag for part in wanted[wanted.index(lacking[0]) :] for tag in part.tags)


def _ports(group: Group, name: str, usual: int) -> tuple[int, ...]:
    if group.value(f"{name}_enabled", True) is False:
        return ()
    return (int(group.value(f"{name}_port", usual)),)


def _services(group: Group) -> tuple[int, ...]:
    """Those on every address: one on a virtual IP answers on one machine only."""
    if group.value("haproxy_enabled", True) is False or group.value("pg_service_provider"):
        return ()
    listed = group.value("pg_default_services")
    usual = SERVICES if listed is None else tuple(_listed(listed))
    return (*usual, *_listed(group.value("pg_services")))


def _listed(services: object) -> list[int]:
    known = map(mapping, items(services))
    return [int(each["port"]) for each in known if "port" in each and each.get("ip", "*") == "*"]
