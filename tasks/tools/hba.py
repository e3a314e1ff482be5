"""pg_hba.conf: who is let in from where, as far as addresses say it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

_FIELDS = 5
_LOOPBACK = {"localhost": "127.0.0.1/32"}  # written together with the line of the socket


@dataclass(frozen=True, slots=True)
class Rule:
    """A line for one database, one role and one network that asks for a password."""

    database: str
    user: str
    network: IPv4Network

    def __str__(self) -> str:
        return f"{self.user} in {self.database} from {self.network}"


def parse(text: str) -> set[Rule]:
    """Every line of the file that is such a rule."""
    found: set[Rule] = set()
    for line in text.splitlines():
        fields = line.split("#")[0].split()
        if len(fields) < _FIELDS or not fields[0].startswith("host") or fields[4] == "reject":
            continue
        if network := _network(fields[3]):
            found.add(Rule(fields[1], fields[2], network))
    return found


def wanted(entries: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """The rules that entries of pg_hba_rules with an address come to; groups of hosts are left."""
    known = ((entry, _network(str(entry["addr"]))) for entry in entries)
    return [Rule(entry["db"], entry["user"], network) for entry, network in known if network]


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(_LOOPBACK.get(text, text))
    except ValueError:
        return None
