"""A command as data: what runs on a node, printable without its secrets."""

import shlex
from dataclasses import dataclass, field

from config.errors import RolloutError

PATIENCE = "nodes.patience"


@dataclass(frozen=True, slots=True)
class Secret:
    """An argument or input that is used as it is and printed as ***."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Command:
    """Words to execute, never a shell line.

    `user`: run as that user (only root can). `changes`: False promises that
    nothing on the node differs afterwards. `env` is all it sees of variables, beside
    those of its node that `clients.variables` lists.
    `tied`: the kernel kills it when we die, so that no rerun meets it still at work.
    `timeout_s` comes from the key `limited_by` of the environment; without one it is built in,
    and each node takes it times its patience.
    """

    words: tuple[str | Secret, ...]
    cwd: str | None = None
    user: str | None = None
    stdin: Secret | None = None
    env: tuple[tuple[str, str | Secret], ...] = ()
    tied: bool = False
    timeout_s: float = 60
    limited_by: str = ""
    changes: bool = True

    def argv(self) -> list[str]:
        words = [w.value if isinstance(w, Secret) else w for w in self.words]
        options = ["--pdeathsig=KILL"] if self.tied else []
        if self.user is not None:
            options += [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return ["setpriv", *options, *words] if options else words

    def within_s(self, patience: float) -> float:
        """The seconds it has on a machine that gets so much patience."""
        return self.timeout_s if self.limited_by else self.timeout_s * patience

    def too_long(self, within_s: float) -> str:
        """The reason of a failure at that limit."""
        return f"no end within {within_s:g} s; {self.limited_by or PATIENCE} raises this limit"

    def __str__(self) -> str:
        """What people see: shell-quoted, secrets masked before quoting."""
        return " ".join("***" if isinstance(w, Secret) else shlex.quote(w) for w in self.words)

    def secrets(self) -> list[str]:
        """Every value that must not appear in what this command is reported to have printed."""
        found = [w.value for w in self.words if isinstance(w, Secret)]
        found += [v.value for _, v in self.env if isinstance(v, Secret)]
        return [value for value in found if value]


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended: exit status and its whole output."""

    status: int
    stdout: str
    stderr: str


class CommandFailed(RolloutError):
    """A command that ended with a non-zero `status`, could not start, or ran out of time (None).

    `output` is what it complained of, `printed` its standard output.
    """

    def __init__(
        self,
        command: Command,
        reason: str,
        output: str = "",
        *,
        status: int | None = None,
        printed: str = "",
    ) -> None:
        for secret in command.secrets():
            output = output.replace(secret, "***")
        tail = "\n".join(output.strip().splitlines()[-12:])
        super().__init__(f"{command}: {reason}" + (f"\n{tail}" if tail else ""))
        self.command = command
        self.reason = reason
        self.status = status
        self.output = output
        self.printed = printed
