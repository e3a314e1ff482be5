"""A DNS server for tests, run in a container: `python3 names.py '{"name": {"A": ["10.0.0.1"]}}'`.

A name of several lists of addresses gets the next list at each question, the last one for ever.
"""

import json
import socket
import struct
import sys
from typing import Any

_TYPES = {1: "A", 28: "AAAA"}
_NUMBERS = {name: number for number, name in _TYPES.items()}


def answer(request: bytes, zone: dict[str, Any], asked: dict[str, int]) -> bytes:
    """The records of the name; none of them may be kept, their time to live is 0."""
    name, end = _name(request)
    kind = _TYPES.get(struct.unpack_from(">H", request, end)[0], "")
    records = zone.get(name, {}).get(kind, [])
    if records and isinstance(records[0], list):
        turn = asked[name] = asked.get(name, -1) + 1
        records = records[min(turn, len(records) - 1)]
    answers = b"".join(map(_record, records))
    status = 0x8180 if name in zone else 0x8183
    head = request[:2] + struct.pack(">HHHHH", status, 1, len(records), 0, 0)
    return head + request[12 : end + 4] + answers


def _name(request: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while length := request[at]:
        labels.append(request[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    return ".".join(labels), at + 1


def _record(address: str) -> bytes:
    """Of the address's own kind, whatever was asked for."""
    kind, family = ("AAAA", socket.AF_INET6) if ":" in address else ("A", socket.AF_INET)
    packed = socket.inet_pton(family, address)
    return struct.pack(">HHHIH", 0xC00C, _NUMBERS[kind], 1, 0, len(packed)) + packed


if __name__ == "__main__":
    known: dict[str, Any] = json.loads(sys.argv[1])
    turns: dict[str, int] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", 53))
        while True:
            question, sender = server.recvfrom(4096)
            server.sendto(answer(question, known, turns), sender)
