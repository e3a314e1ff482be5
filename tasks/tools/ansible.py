"""What ansible-playbook prints, and what it means: facts of a run, which its exit status is not."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clients.command import Completed

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HEAD = re.compile(r"^TASK \[(?P<name>.*)\] \*+$")
_RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=\d+ .*)$")
_BAD = re.compile(r"^(?:fatal|failed): \[(?P<host>[^\]]+)\].*?(?:FAILED|UNREACHABLE)?!? => ")
_ERRORS = re.compile(r"ERROR|FATAL|\bDetail:")  # the last is certbot's
_PROGRESS = re.compile(r"--:--:--|^% Total|^Dload")  # curl's
_DONE = re.compile(
    r"^\S+ \| \w+ \| rc=(?P<status>\d+) \| \(stdout\) ?(?P<out>.*?)(?: \(stderr\) (?P<err>.*))?$"
)
_NOT_DONE = re.compile(r"^\S+ \| (?P<how>FAILED|UNREACHABLE)!(?:: | => )(?P<rest>.*)$")
_SUDO = re.compile(r"\bsudo\b|become password|privilege escalation", re.IGNORECASE)
_NO_PROMPT = re.compile(r"Timeout \(\d+s\) waiting for privilege escalation prompt")
_ELSEWHERE = re.compile(r"temporary directory|No space left|Read-only file system|python", re.I)
MAX_LOGGED = 8  # lines of a failure
_ERROR = re.compile(r"^(?:ERROR!|\[ERROR\]:) (?P<text>.*)$")
_ALL = "hostvars[inventory_hostname]"
_SHOWN = re.compile(r"^(?P<host>\S+) \| SUCCESS => (?=\{)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Host:
    """One line of PLAY RECAP."""

    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed on a host. `ignored`: the playbook went on as if it had not."""

    task: str
    host: str
    why: str
    ignored: bool = False

    def __str__(self) -> str:
        return f"{self.task} on {self.host}: {self.why}"


@dataclass(frozen=True, slots=True)
class Played:
    """One or several playbooks: tasks, hosts and failures, and what Ansible itself refused.

    `last`: the last task that began.
    """

    tasks: int
    hosts: dict[str, Host]
    failures: tuple[Failure, ...]
    refusal: str = ""
    last: str = ""

    @property
    def ran(self) -> bool:
        """Whether any host took part: an exit status of 0 does not say so."""
        return bool(self.hosts)

    @property
    def fatal(self) -> tuple[Failure, ...]:
        return tuple(failure for failure in self.failures if not failure.ignored)

    @property
    def reason(self) -> str:
        """Task, host and reason of what stopped it; of what it went on after if nothing did."""
        told = self.fatal or self.failures
        return "; ".join(dict.fromkeys(map(str, told)))

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Hosts that were not reached, or that stopped to answer: Ansible says so of both."""
        away = {name for name, host in self.hosts.items() if host.unreachable}
        silent = {each.host for each in self.fatal if _NO_PROMPT.search(each.why)}
        return tuple(name for name in self.hosts if name in away | silent)


def plain(line: str) -> str:
    """The line without colours."""
    return _COLOUR.sub("", line).rstrip()


def task_of(line: str) -> str | None:
    """Name of the task that begins with this line."""
    match = _HEAD.match(plain(line))
    return match["name"] if match else None


def parse(output: str) -> Played:
    """The facts of a whole output, that of a wrapper script around several playbooks included.

    Failures span several lines where a playbook prints its results readably (`=> {` alone).
    """
    lines = [plain(line) for line in output.splitlines()]
    hosts: dict[str, Host] = {}
    failures: list[Failure] = []
    refusals: list[str] = []
    task, tasks = "", 0
    for number, line in enumerate(lines):
        if match := _HEAD.match(line):
            task, tasks = match["name"], tasks + 1
        elif match := _RECAP.match(line):
            hosts[match["host"]] = _sum(hosts.get(match["host"], Host()), match["counts"])
        elif match := _BAD.match(line):
            failures.append(Failure(task, match["host"], _why(lines[number:])))
        elif line == "...ignoring":
            failures = _ignored(failures, task)
        elif match := _ERROR.match(line):
            refusals.append(match["text"])
    return Played(tasks, hosts, tuple(failures), "; ".join(refusals), task)


def variables(output: str) -> dict[str, dict[str, Any]]:
    """Machine → its variables, as `Tree.variables` prints them.

    Raises:
        NoAnswer: some machine's are not there.
    """
    found: dict[str, dict[str, Any]] = {}
    for shown in _SHOWN.finditer(output):
        content: dict[str, Any] = json.JSONDecoder().raw_decode(output, shown.end())[0]
        found[shown["host"]] = content.get(_ALL, {})
    lines = [plain(line) for line in output.splitlines()]
    wrong = [match["rest"] for line in lines if (match := _NOT_DONE.match(line))]
    if not found:  # a template that fails somewhere is an error too, beside everything else
        wrong += [match["text"] for line in lines if (match := _ERROR.match(line))]
    if wrong or not found:
        raise NoAnswer(wrong[0].strip() if wrong else "it names no machine")
    return found


class NoAnswer(ValueError):
    """A node did not run the command it was asked to; says why."""

    def __init__(self, why: str, *, unreachable: bool = False) -> None:
        super().__init__(why)
        self.unreachable = unreachable


def lacks_sudo(why: str) -> bool:
    """Whether the user Ansible logs in as may not become root there."""
    return bool(_SUDO.search(why)) and not _NO_PROMPT.search(why)


def way_on(why: str, login: str) -> str:
    """What to do about a machine on which Ansible could run nothing.

    `login`: from where Ansible logs in. Ansible words the reason for people only.
    """
    if lacks_sudo(why):
        return "let the user Ansible logs in as become root by sudo without a password there"
    if _ELSEWHERE.search(why):
        return "mend that on the machine; the login itself went well"
    return f"log in from {login} by ssh as Ansible does; then deploy again"


def answer(output: str, host: str) -> Completed:
    """How one command ended on one of the nodes asked (`ansible NODE,NODE -m command -a … -o`).

    Raises:
        NoAnswer: the node is unknown or cannot be reached.
    """
    for line in map(plain, output.splitlines()):
        if not line.startswith(f"{host} | "):
            continue
        if match := _DONE.match(line):
            return Completed(int(match["status"]), match["out"], match["err"] or "")
        if match := _NOT_DONE.match(line):
            if match["how"] == "UNREACHABLE":
                raise NoAnswer(match["rest"].strip(), unreachable=True)
            return _failed(match["rest"])
    refused = [match["text"] for line in output.splitlines() if (match := _ERROR.match(line))]
    raise NoAnswer(refused[0] if refused else "no such node in pigsty.yml")


def _failed(result: str) -> Completed:
    try:
        found = json.loads(result)
    except ValueError:
        raise NoAnswer(result) from None
    if "rc" not in found:
        raise NoAnswer(str(found.get("msg", result)))
    said = str(found.get("stderr") or found.get("msg", ""))
    return Completed(int(found["rc"]), str(found.get("stdout", "")), said)


def _sum(before: Host, counts: str) -> Host:
    found = dict(pair.split("=") for pair in counts.split())
    return Host(
        **{name: getattr(before, name) + int(found.get(name, 0)) for name in Host.__slots__}
    )


def _ignored(failures: Sequence[Failure], task: str) -> list[Failure]:
    """All failures of the task that has just been ignored; there is one for each item of a loop."""
    return [Failure(f.task, f.host, f.why, ignored=True) if f.task == task else f for f in failures]


def _why(lines: Sequence[str]) -> str:
    """What the result says for itself: the longer of `msg` and `stderr`, since often one only says
    "non-zero return code". All its lines, or those that name an error, also of `stdout`.
    """
    result = _result(lines)
    said = [str(result[key]) for key in ("msg", "stderr", "stdout") if result.get(key)]
    named = [line for text in said for line in _lines(text) if _ERRORS.search(line)]
    longest = max(said[:2], key=len, default=lines[0])
    kept = list(dict.fromkeys(named)) or _lines(longest)
    return " ".join(kept[-MAX_LOGGED:])


def _result(lines: Sequence[str]) -> dict[str, Any]:
    """The data after `=>`, which is one line, or several with the last bracket on its own."""
    first = lines[0].partition(" => ")[2]
    end = lines.index("}") + 1 if first == "{" and "}" in lines else 1
    try:
        found: dict[str, Any] = json.loads("\n".join([first, *lines[1:end]]))
    except ValueError:
        return {}
    return found


def _lines(text: str) -> list[str]:
    lines = map(str.strip, text.splitlines())
    return [line for line in lines if line and not _PROGRESS.search(line)]
