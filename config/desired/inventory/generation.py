"""Where Pigsty 2 and Pigsty 3 and later differ in what pigsty.yml must say."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Generation:
    """One family of Pigsty's trees.

    The defaults are those of its roles: a key that is first written to pigsty.yml replaces the
    role's whole default, so ours is added to them.
    """

    name: str
    pg_version: int
    aliases: bool
    portal_config: bool
    removes_on_rerun: bool
    infra_portal: dict[str, Any] = field(hash=False)
    dns_records: tuple[str, ...]
    no_proxy: str


_NO_PROXY = "localhost,127.0.0.1,10.0.0.0/8,192.168.0.0/16,*.pigsty,*.aliyun.com,mirrors.*"

V2 = Generation(
    name="v2",
    pg_version=16,
    aliases=False,
    portal_config=False,
    removes_on_rerun=True,
    infra_portal={
        "home": {"domain": "h.pigsty"},
        "grafana": {"domain": "g.pigsty", "endpoint": "${admin_ip}:3000", "websocket": True},
        "prometheus": {"domain": "p.pigsty", "endpoint": "${admin_ip}:9090"},
        "alertmanager": {"domain": "a.pigsty", "endpoint": "${admin_ip}:9093"},
        "blackbox": {"endpoint": "${admin_ip}:9115"},
        "loki": {"endpoint": "${admin_ip}:3100"},
    },
    dns_records=(
        "${admin_ip} h.pigsty a.pigsty p.pigsty g.pigsty",
        "${admin_ip} api.pigsty adm.pigsty cli.pigsty ddl.pigsty lab.pigsty git.pigsty "
        "sss.pigsty wiki.pigsty",
    ),
    no_proxy=_NO_PROXY,
)
V4 = Generation(
    name="v4",
    pg_version=18,
    aliases=True,
    portal_config=True,
    removes_on_rerun=False,
    infra_portal={"home": {"domain": "i.pigsty"}},
    dns_records=(
        "${admin_ip} i.pigsty",
        "${admin_ip} m.pigsty supa.pigsty api.pigsty adm.pigsty cli.pigsty ddl.pigsty",
    ),
    no_proxy=_NO_PROXY,
)


# An entry of the portal has no directives of its own before 3.4.
V3 = replace(V4, name="v3", portal_config=False)
_WITHOUT_CONFIG = ("3.0.", "3.1.", "3.2.", "3.3.")


def detect(names: Collection[str], version: str) -> Generation:
    """By what lies in Pigsty's tree: templates moved to conf/ when package aliases came."""
    if "conf" not in names:
        return V2
    return V3 if version.startswith(_WITHOUT_CONFIG) else V4
