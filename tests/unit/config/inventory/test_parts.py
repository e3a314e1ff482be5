"""What of a cluster has to answer, and what the rest of the playbook is."""

import pytest

from config.desired.inventory.document import read
from config.desired.inventory.groups import find
from config.desired.inventory.parts import INIT, parts, rest

TEXT = """\
all:
  children:
    pg-dify:
      hosts: { 10.0.0.1: { pg_seq: 1 } }
      vars: { pg_cluster: pg-dify VARS }
  vars: { admin_ip: 10.0.0.1 }
"""


def ports(variables: str = "") -> dict[str, tuple[int, ...]]:
    group = find(read(TEXT.replace(" VARS", variables)).tree, "pg-dify")
    assert group
    return {part.name: part.ports for part in parts(group) if part.ports}


USUAL = {"pgbouncer": (6432,), "HAProxy": (5433, 5434, 5436, 5438), "pg_exporter": (9630,)}


@pytest.mark.parametrize(
    ("variables", "differ"),
    [
        ("", {}),
        (", pgbouncer_enabled: false", {"pgbouncer": None}),
        (", pgbouncer_port: 7432", {"pgbouncer": (7432,)}),
        (", haproxy_enabled: false", {"HAProxy": None}),
        (", pg_service_provider: other", {"HAProxy": None}),
        (", pg_exporter_enabled: false", {"pg_exporter": None}),
        (", pg_default_services: [{ name: primary, port: 6433 }]", {"HAProxy": (6433,)}),
        (
            ", pg_services: [{ name: own, port: 5435 }, { name: vip, port: 5439, ip: 10.0.0.9 }]",
            {"HAProxy": (5433, 5434, 5436, 5438, 5435)},
        ),
    ],
)
def test_ports_are_those_of_the_inventory(
    variables: str, differ: dict[str, tuple[int, ...] | None]
):
    assert ports(variables) == {
        name: found for name, found in {**USUAL, **differ}.items() if found is not None
    }


def test_the_rest_begins_with_the_first_part_that_lacks():
    group = find(read(TEXT.replace(" VARS", "")).tree, "pg-dify")
    assert group
    wanted = parts(group)
    assert rest(wanted, []) == ()
    assert rest(wanted, wanted[2:3])[:3] == ("pg_vip", "pg_dns", "pg_service")
    assert rest(wanted, wanted[1:])[-1] == "pg_register"
    assert rest(wanted, wanted[1:])[0] == "pgbackrest"
    assert rest(wanted, wanted)[0] == "pg_init"


def test_roles_of_ones_own_are_not_looked_for():
    group = find(read(TEXT.replace(" VARS", ", pg_default_roles: []")).tree, "pg-dify")
    assert group and INIT not in parts(group)
