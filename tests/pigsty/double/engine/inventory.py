"""pigsty.yml as Ansible sees it: hosts, the groups they are in, and their variables."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class Refused(Exception):
    """Ansible's own `ERROR!`: nothing was run."""


@dataclass(frozen=True)
class Inventory:
    """Variables of every host, and hosts of every group."""

    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)

    def match(self, pattern: str) -> list[str]:
        """Hosts of a pattern like `a,b`, `ip,&group` or `group,!ip`."""
        chosen: set[str] = set()
        wanted = [word for word in pattern.replace(":", ",").split(",") if word]
        for word in sorted(wanted, key=lambda word: word[0] in "&!"):
            found = self._named(word.lstrip("&!"))
            if word.startswith("&"):
                chosen &= found
            elif word.startswith("!"):
                chosen -= found
            else:
                chosen |= found
        return [host for host in self.hosts if host in chosen]

    def knows(self, word: str) -> bool:
        return bool(self._named(word.lstrip("&!")))

    def _named(self, word: str) -> set[str]:
        if word == "all":
            return set(self.hosts)
        if word in self.groups:
            return set(self.groups[word])
        return {word} & set(self.hosts)


def load(path: Path) -> Inventory:
    """Raises Refused for a file that is no inventory."""
    try:
        tree: Any = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["all"]
        common = {**_group_vars(path.parent / "group_vars" / "all"), **(tree.get("vars") or {})}
        inventory = Inventory(variables=common)
        for group, content in tree["children"].items():
            inventory.groups[group] = []
            for host, own in (content.get("hosts") or {}).items():
                inventory.groups[group].append(str(host))
                known = inventory.hosts.setdefault(str(host), dict(common))
                known.update({**(content.get("vars") or {}), **(own or {})})
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        raise Refused(f"We were unable to read either as JSON nor YAML: {path}") from None
    return inventory


def _group_vars(folder: Path) -> dict[str, Any]:
    """Variables beside the inventory; where Ansible has ciphertext, the double has base64."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.yml")):
        head, _, rest = file.read_text().partition("\n")
        text = (
            base64.b64decode(rest).decode()
            if head.startswith("$ANSIBLE_VAULT;")
            else file.read_text()
        )
        found |= yaml.load(text, Loader=yaml.CSafeLoader) or {}
    return found
