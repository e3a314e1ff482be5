"""Pigsty's bin/validate: the structure of pigsty.yml and its rules, nothing of the portal."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from engine.postgres import ADDRESS as ADDRESS_OR_NETWORK
from engine.postgres import NAMED

ADDRESS = re.compile(r"(\d{1,3}\.){3}\d{1,3}")


def main(path: Path) -> int:
    try:
        tree: Any = yaml.safe_load(path.read_text())["all"]
        problems = list(_problems(tree))
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        problems = [f"fail to parse config {path}"]
    for problem in problems:
        print(f"[ERRO] {problem}")
    return 1 if problems else 0


def _problems(tree: dict[str, Any]):
    if not ADDRESS.fullmatch(str(tree["vars"].get("admin_ip", ""))):
        yield "'all.vars.admin_ip' is not a valid ipv4 address"
    for name, group in tree["children"].items():
        for host in group.get("hosts") or {}:
            if not ADDRESS.fullmatch(str(host)):
                yield f"'{name}' has a host that is no ipv4 address: {host}"
        rules = (group.get("vars") or {}).get("pg_hba_rules") or []
        for index, rule in enumerate(rules):
            where = f"`pgsql.{name}.vars.pg_hba_rules[{index}]"
            yield from (f"{where}` {complaint}" for complaint in _rule(rule))


def _rule(rule: dict[str, Any]):
    if "rules" in rule:
        return
    for field in ("user", "db", "addr", "auth"):
        if field not in rule:
            yield f"missing '{field}' field"
    where = str(rule.get("addr", "local"))
    if where not in NAMED and not ADDRESS_OR_NETWORK.fullmatch(where):
        yield f"addr has invalid value: {where}"


if __name__ == "__main__":
    home = Path(sys.argv[1]).resolve().parent.parent
    sys.exit(main(Path(sys.argv[2]) if len(sys.argv) > 2 else home / "pigsty.yml"))
