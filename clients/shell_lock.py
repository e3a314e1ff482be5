"""A locked file on another machine: held by a shell there as long as its connection lives."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from clients import script
from clients.node import Held, NodeError
from clients.running import waited_for
from clients.session import Said, Shell
from config.errors import RolloutError

END_S = 5.0


class ShellLock:
    """`words`: the local command that runs a shell there. `refusal`: why no shell was had."""

    def __init__(
        self,
        path: Path,
        holder: str,
        words: Callable[[], list[str]],
        refusal: Callable[[str], NodeError],
    ) -> None:
        self.path = path
        self._holder = holder
        self._words = words
        self._refusal = refusal
        self._shell: Shell | None = None

    def alive(self) -> bool:
        """Whether the connection that holds it is there."""
        return self._shell is not None and self._shell.alive()

    def take(self, answer_s: float) -> None:
        """Lock the file for this holder.

        Raises:
            Held: another one has it.
            NodeError: nobody answers, or lets us in.
        """
        self._begin(Shell(self._words()), script.hold(self.path, self._holder), answer_s)

    def take_again(self, answer_s: float) -> None:
        """Lock the file as before, once our own lost connection has let go of it.

        Raises:
            Held: another one has it, or had it meanwhile.
            NodeError: nobody answers, or lets us in.
        """
        shell = Shell(self._words())
        with waited_for(partial(shell.end, END_S)):
            again = script.hold_again(self.path, self._holder)
            self._begin(shell, again, answer_s + script.LOCK_WAIT_S)

    def release(self) -> None:
        """Let go of it, and take our name from the file."""
        if self._shell:
            self._shell.confirm()
            self._shell.end(END_S)

    def _begin(self, shell: Shell, body: str, answer_s: float) -> None:
        said = Said()
        shell.begin(script.held(body, said.mark), said, last=True)
        try:
            said.first.wait(answer_s)
            if not said.out:
                self._not_held(shell, said)
        except BaseException:
            shell.end(END_S)
            raise
        self._shell = shell

    def _not_held(self, shell: Shell, said: Said) -> None:
        said.ended.wait(END_S)
        if not said.begun:
            raise self._refusal(shell.noise())
        if said.status == script.LOCKED:
            raise Held(self.path, said.complaint())
        raise RolloutError(f"{self.path} cannot be locked: {said.complaint().strip()}")
