"""Pigsty's bin/validate: the structure of pigsty.yml, and nothing of its rules or portal."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

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


if __name__ == "__main__":
    home = Path(sys.argv[1]).resolve().parent.parent
    sys.exit(main(Path(sys.argv[2]) if len(sys.argv) > 2 else home / "pigsty.yml"))
