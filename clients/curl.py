"""One request made on a node by its curl; what it must keep to itself comes in by stdin."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from clients.command import Command, Secret
from clients.node import Node
from config.errors import RolloutError

_MARK = "dify-rollout-status:"
_REASON = re.compile(r"^curl: \(\d+\) (?P<why>.*)$", re.MULTILINE)
_UNKNOWN_OPTION, _NOT_FOUND = 2, 127
# Exit statuses: no name, no connection, no answer in time, and a connection that broke off.
_SILENT = {5, 6, 7, 28, 52, 55, 56}
# curl wants the authority in a file: $0 bytes of it come in before the configuration.
_TRUSTING = """file=$(mktemp) && trap 'rm -f "$file"' EXIT
head -c "$0" >"$file" && "$@" --cacert "$file"
"""


class NoAnswer(RolloutError):
    """curl's own sentence on why it got none. `passes`: asking again may help."""

    def __init__(self, why: str, *, passes: bool = False) -> None:
        super().__init__(why)
        self.passes = passes


@dataclass(frozen=True, slots=True)
class Answered:
    """Status of the answer, of a proxy's own answer to CONNECT (0: it was not asked), and body."""

    status: int
    connect: int
    body: str


def ask(node: Node, options: Mapping[str, str], within_s: float, authority: str = "") -> Answered:
    """The answer to the request that curl's long `options` describe.

    `authority`: the only one to trust (PEM); empty: those that the node trusts.

    Raises:
        NoAnswer: nobody answered, or the node's curl is missing or too old.
    """
    wanted = {
        **options,
        "max-time": f"{within_s:g}",
        "write-out": f"\n{_MARK}%{{http_code}} %{{http_connect}}",
    }
    config = "".join(f"{name} = {_quoted(value)}\n" for name, value in wanted.items())
    words = ("curl", "--silent", "--show-error", "--config", "-")
    if authority:
        words = ("sh", "-c", _TRUSTING, str(len(authority.encode())), *words)
    stdin = Secret(authority + config)
    command = Command(words, stdin=stdin, timeout_s=within_s + 5, changes=False)
    done = node.attempt(command)
    found = re.search(rf"\n?{_MARK}(\d+) (\d+)\s*$", done.stdout)
    connect = int(found[2]) if found else 0
    if found and (done.status == 0 or connect):
        return Answered(int(found[1]), connect, done.stdout[: found.start()])
    if done.status == _NOT_FOUND:
        raise NoAnswer(f"curl is not installed on {node.name}")
    if done.status == _UNKNOWN_OPTION:
        raise NoAnswer(f"curl on {node.name} is too old; expected 7.86 or newer")
    said = _REASON.search(done.stderr)
    why = said["why"] if said else f"exit status {done.status}"
    raise NoAnswer(why, passes=done.status in _SILENT)


def _quoted(value: str) -> str:
    """As curl's configuration reads it."""
    return '"' + re.sub(r'(["\\])', r"\\\1", value).replace("\n", "\\n") + '"'
