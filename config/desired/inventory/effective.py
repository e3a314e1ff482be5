"""pigsty.yml as Ansible resolves it: vault strings opened, templates filled in, and what stands in
group_vars and host_vars, which Ansible prefers to the file.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from config.desired.inventory.data import is_list, is_mapping, mapping
from config.desired.inventory.document import VAULTED
from config.desired.inventory.groups import At, Group, groups
from config.desired.inventory.notation import flow
from config.desired.inventory.wants import Entries, Members, laid, value_of

TEMPLATE = "{{"
FAILED = "<< error"  # what Ansible 2.19 shows for what it cannot resolve
OURS = (
    "pg_version", "pg_mode", "pg_users", "pg_databases", "pg_hba_rules", "pgb_hba_rules",
    "pg_extensions", "redis_password", "redis_mode", "redis_max_memory", "redis_mem_policy",
    "redis_aof_enabled", "redis_clean", "redis_sentinel_monitor",
)  # fmt: skip
GLOBAL = (
    "admin_ip", "proxy_env", "docker_registry_mirrors", "infra_portal", "certbot_email",
    "dns_records", "node_etc_hosts", "nginx_port", "nginx_ssl_port",
)  # fmt: skip

Tree = dict[str, Any]
Variables = Mapping[str, Mapping[str, Any]]
"""Machine of the inventory → variable → its value there."""


def is_opaque(value: Any) -> bool:
    """Whether some part of the value only Ansible can read."""
    if is_mapping(value):
        return any(map(is_opaque, value.values()))
    if is_list(value):
        return any(map(is_opaque, value))
    return isinstance(value, str) and (value.startswith((VAULTED, FAILED)) or TEMPLATE in value)


def asks_ansible(tree: Tree) -> bool:
    """Whether a value that matters for Dify is one that only Ansible can read."""
    known = groups(tree) if is_mapping(tree.get("all")) else ()
    return any(is_opaque(group.value(key)) for group in known for key in OURS)


def unresolved(variables: Variables) -> str:
    """The first variable that matters and that Ansible did not resolve either; empty: none."""
    known = ((key, each.get(key)) for each in variables.values() for key in OURS)
    return next((key for key, value in known if is_opaque(value)), "")


def opened(tree: Tree, variables: Variables) -> Tree:
    """The data of the file, in which Ansible's value stands for every part only it can read."""
    result = deepcopy(tree)
    for group in groups(result):
        for key, value in group.vars.items():
            group.vars[key] = _opened(value, _effective(group, key, variables))
    top = mapping(result["all"].get("vars"))
    for anywhere in list(variables.values())[:1]:
        for key, value in top.items():
            top[key] = _opened(value, anywhere.get(key))
    return result


def elsewhere(tree: Tree, variables: Variables) -> dict[At, Any]:
    """Place → value of each variable that matters and that the opened file says otherwise."""
    found: dict[At, Any] = {}
    for group in groups(tree):
        for key in OURS:
            value = _effective(group, key, variables)
            if value is not None and _plain(value) != _plain(group.value(key)):
                found[(*group.at, "vars", key)] = value
    top = mapping(tree["all"].get("vars"))
    for key in GLOBAL:
        values = [each.get(key) for each in variables.values()]
        same = bool(values) and all(value == values[0] for value in values)
        if same and values[0] is not None and _plain(values[0]) != _plain(top.get(key)):
            found["all", "vars", key] = values[0]
    return found


def overlaid(tree: Tree, hidden: Mapping[At, Any]) -> Tree:
    """The data of the file with the values that Ansible takes from elsewhere."""
    result = deepcopy(tree)
    for at, value in hidden.items():
        inner: Any = result
        for part in at[:-1]:
            if inner.get(part) is None:
                inner[part] = {}
            inner = inner[part]
        inner[at[-1]] = value
    return result


def without(want: Tree, hidden: Mapping[At, Any]) -> tuple[Tree, list[tuple[At, str]]]:
    """What is wanted of the file itself, and what lacks in each value that is not in the file."""
    rest, lacks = deepcopy(want), list[tuple[At, str]]()
    for at, there in hidden.items():
        inner: Any = rest
        for part in at[:-1]:
            inner = mapping(inner.get(part))
        if at[-1] not in inner:
            continue
        asked = inner.pop(at[-1])
        if laid(there, asked) != there:
            lacks.append((at, _lacking(there, asked)))
    return rest, lacks


def _lacking(there: Any, asked: Any) -> str:
    return (
        "stands in group_vars or host_vars, which Ansible prefers to this file, and lacks "
        f"{_named(there, asked)}; expected it there"
    )


def _named(there: Any, asked: Any) -> str:
    """What has to be added there, without any password."""
    if isinstance(asked, Entries):
        lacking = [item for item in asked.items if laid(there, Entries((item,), asked.by)) != there]
        return ", ".join(" ".join(str(item[key]) for key in asked.by) for item in lacking)
    return flow(asked.missing(there) if isinstance(asked, Members) else value_of(asked))


def _effective(group: Group, key: str, variables: Variables) -> Any:
    known = (variables[str(host)].get(key) for host in group.hosts if str(host) in variables)
    return next((value for value in known if value is not None), None)


def _opened(value: Any, effective: Any) -> Any:
    if effective is None:
        return value
    if is_mapping(value) and is_mapping(effective):
        return {key: _opened(inner, effective.get(str(key))) for key, inner in value.items()}
    if is_list(value) and is_list(effective) and len(value) == len(effective):
        return [_opened(*pair) for pair in zip(value, effective, strict=True)]
    return effective if isinstance(value, str) and is_opaque(value) else value


def _plain(value: Any) -> Any:
    """As JSON has it, which is how Ansible shows it."""
    return json.loads(json.dumps(value, default=str))
