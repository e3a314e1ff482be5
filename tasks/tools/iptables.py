"""iptables: argv out, parsed rules in."""

from collections.abc import Iterable, Sequence

from clients.command import Command, Secret

PROGRAM = "iptables"


def listed() -> Command:
    return Command((PROGRAM, "-w", "-S"), changes=False)


def rules_of(text: str, chain: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"-A {chain} ")]


def jumps_to(text: str, chain: str) -> list[str]:
    return [line for line in text.splitlines() if line.endswith(f" -j {chain}")]


def replace(chain: str, rules: Sequence[str], *, old: Iterable[str], new: Iterable[str]) -> Command:
    """The chain has these rules, and is jumped to by `new` before anything else, not by `old`."""
    return _restore(
        [f":{chain} - [0:0]", *_deleted(old), *rules]
        + [jump.replace("-A INPUT", "-I INPUT 1") for jump in new]
    )


def remove(chain: str, *, jumps: Iterable[str]) -> Command:
    return _restore([*_deleted(jumps), f"-F {chain}", f"-X {chain}"])


def _deleted(jumps: Iterable[str]) -> list[str]:
    return [jump.replace("-A ", "-D ", 1) for jump in jumps]


def _restore(lines: Sequence[str]) -> Command:
    """All or nothing; the rest of the table stays."""
    text = "\n".join(["*filter", *lines, "COMMIT", ""])
    return Command(("iptables-restore", "-w", "--noflush"), stdin=Secret(text))
