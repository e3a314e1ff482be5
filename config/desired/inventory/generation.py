"""Where Pigsty's versions differ in what pigsty.yml must say."""

from dataclasses import dataclass, field, replace
from typing import Any

from config.rules.revisions import number


@dataclass(frozen=True, slots=True)
class Generation:
    """One family of Pigsty's trees.

    The defaults are those of its roles: a key that is first written to pigsty.yml replaces the
    role's whole default, so ours is added to them. `removes_on_rerun`: a playbook run again
    deletes what runs, unless pg_safeguard and redis_clean say otherwise.
    """

    name: str
    pg_version: int
    aliases: bool
    portal_config: bool
    enforces_https: bool
    removes_on_rerun: bool
    infra_portal: dict[str, Any] = field(hash=False)
    dns_records: tuple[str, ...]
    no_proxy: str


_NO_PROXY = "localhost,127.0.0.1,10.0.0.0/8,192.168.0.0/16,*.pigsty,*.aliyun.com,mirrors.*"
_OLD_HOME = "${admin_ip} h.pigsty a.pigsty p.pigsty g.pigsty"
_OLD_OTHERS = "${admin_ip} api.pigsty adm.pigsty cli.pigsty ddl.pigsty lab.pigsty git.pigsty"


def _old_portal(prometheus: int, alertmanager: int) -> dict[str, Any]:
    return {
        "home": {"domain": "h.pigsty"},
        "grafana": {"domain": "g.pigsty", "endpoint": "${admin_ip}:3000", "websocket": True},
        "prometheus": {"domain": "p.pigsty", "endpoint": f"${{admin_ip}}:{prometheus}"},
        "alertmanager": {"domain": "a.pigsty", "endpoint": f"${{admin_ip}}:{alertmanager}"},
        "blackbox": {"endpoint": "${admin_ip}:9115"},
        "loki": {"endpoint": "${admin_ip}:3100"},
    }


V2 = Generation(
    name="v2",
    pg_version=16,
    aliases=False,
    portal_config=False,
    enforces_https=False,
    removes_on_rerun=True,
    infra_portal=_old_portal(9090, 9093),
    dns_records=(_OLD_HOME, f"{_OLD_OTHERS} sss.pigsty wiki.pigsty"),
    no_proxy=_NO_PROXY,
)
V3_0 = replace(V2, name="v3.0", aliases=True)
V3_1 = replace(
    V3_0,
    name="v3.1",
    pg_version=17,
    dns_records=(_OLD_HOME, f"{_OLD_OTHERS} m.pigsty wiki.pigsty"),
)
V3_4 = replace(V3_1, name="v3.4", portal_config=True, enforces_https=True)
V3_7 = replace(V3_4, name="v3.7", pg_version=18, infra_portal=_old_portal(9058, 9059))
V4 = Generation(
    name="v4",
    pg_version=18,
    aliases=True,
    portal_config=True,
    enforces_https=True,
    removes_on_rerun=False,
    infra_portal={"home": {"domain": "i.pigsty"}},
    dns_records=(
        "${admin_ip} i.pigsty",
        "${admin_ip} m.pigsty supa.pigsty api.pigsty adm.pigsty cli.pigsty ddl.pigsty",
    ),
    no_proxy=_NO_PROXY,
)
SINCE = {(4,): V4, (3, 7): V3_7, (3, 4): V3_4, (3, 1): V3_1, (3,): V3_0, (0,): V2}


def of_version(version: str) -> Generation:
    """The family of a tree of this version; the newest where it tells none."""
    known = number(version)
    return next((found for since, found in SINCE.items() if known >= since), V4)
