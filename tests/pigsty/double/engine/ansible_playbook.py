"""ansible-playbook as far as Pigsty's commands use it: `PLAYBOOK -l LIMIT -t TAGS -e VARS`."""

import argparse
import configparser
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from engine.inventory import Inventory, Refused, load
from engine.play import Run
from engine.playbooks import matching, plays
from engine.world import Host, load_world

NO_HOSTS = "Specified inventory, host pattern and/or --limit leaves us with no hosts to target."


def main() -> int:
    given = _arguments()
    path = Path(given.playbook)
    if not path.exists():
        print(f"ERROR! the playbook: {given.playbook} could not be found", file=sys.stderr)
        return 1
    path = path.resolve()
    inventory = find_inventory(given.inventory)
    world, variables = load_world(path.parent), _variables(given.extra_vars)
    if given.limit:
        for word in given.limit.split(","):
            if not inventory.knows(word):
                warn(f"Could not match supplied host pattern, ignoring: {word.lstrip('&!')}")
        if inventory.hosts and not inventory.match(given.limit):
            print(f"ERROR! {NO_HOSTS}", file=sys.stderr)
            return 1

    def hosts(pattern: str) -> list[Host]:
        chosen = [h for h in inventory.match(pattern) if h in inventory.match(given.limit or "all")]
        return [world.host(name, inventory, variables) for name in chosen]

    run = Run(_words(given.tags), _words(given.skip_tags))
    for play in plays(path, world, hosts, variables):
        names = matching(inventory, play, given.limit)
        run.play(play, [world.host(name, inventory, variables) for name in names])
    return run.recap()


def find_inventory(named: str | None) -> Inventory:
    """What ansible.cfg in the working directory names. Without it, or unreadable, it is empty."""
    config = configparser.ConfigParser(strict=False)
    config.read("ansible.cfg")
    path = Path(named or config.get("defaults", "inventory", fallback="/etc/ansible/hosts"))
    if path.exists():
        try:
            return load(path)
        except Refused as error:
            warn(f" * Failed to parse {path.resolve()} with yaml plugin: {error}")
            warn(f"Unable to parse {path.resolve()} as an inventory source")
    warn("No inventory was parsed, only implicit localhost is available")
    warn("provided hosts list is empty, only localhost is available. Note that\n"
         "the implicit localhost does not match 'all'")  # fmt: skip
    return Inventory()


def warn(text: str) -> None:
    print(f"[WARNING]: {text}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("ansible-playbook", allow_abbrev=False)
    parser.add_argument("playbook")
    parser.add_argument("-i", "--inventory")
    parser.add_argument("-l", "--limit")
    parser.add_argument("-t", "--tags", action="append", default=[])
    parser.add_argument("--skip-tags", action="append", default=[])
    parser.add_argument("-e", "--extra-vars", action="append", default=[])
    return parser.parse_args()


def _words(options: list[str]) -> frozenset[str]:
    return frozenset(word for option in options for word in option.split(",") if word)


def _variables(options: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in options:
        if option.lstrip().startswith("{"):
            found.update(json.loads(option))
        else:
            found.update(word.partition("=")[::2] for word in shlex.split(option))
    return found


if __name__ == "__main__":
    sys.exit(main())
