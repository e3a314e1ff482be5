"""Machines of Pigsty's inventory, for the little that playbooks neither tell nor tidy up.

The admin node itself is asked directly; any other by Ansible, and so is one to which pigsty.yml
says another way.
"""

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clients.command import Command, Completed
from clients.files import File
from clients.node import Node
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty.facts import reached_its_own_way
from tasks.tools import ansible
from tasks.tools.ansible_secrets import Mask
from tasks.tools.pigsty import Tree

log = logging.getLogger("rollout")

Contents = dict[Path, bytes | None]

# The paths come as arguments: nothing of theirs is read by the shell.
_LOOK = (
    'for path; do if [ -f "$path" ]; then printf + && base64 -w0 "$path"; else printf -- -; fi; '
    "echo; done"
)


class Unreached(StepError):
    """A machine that Ansible does not reach, or does not know."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One host of the inventory, under the address it has there."""

    site: Site
    tree: Tree
    address: str
    step: str

    def run(self, words: Sequence[str], user: str = "root", *, timeout_s: float = 60) -> Completed:
        """How the command ended there.

        Raises:
            Unreached: the machine is unknown or not reached.
        """
        if self.is_admin():
            return self.site.admin.attempt(Command(tuple(words), user=user, timeout_s=timeout_s))
        self.site.prefetched.forget()
        done = self.site.admin.attempt(self.tree.ask((self.address,), words, user, timeout_s))
        return self._answer(done.stdout + done.stderr)

    def _answer(self, output: str) -> Completed:
        try:
            return ansible.answer(output, self.address)
        except ansible.NoAnswer as error:
            how = "Ansible does not reach" if error.unreachable else "Ansible runs nothing on"
            raise Unreached(
                self.step,
                f"{how} {self.address}: {Mask(())(str(error))}",
                advice=ansible.way_on(str(error), self.site.admin.name),
            ) from None

    def look(self, paths: Sequence[Path]) -> Contents:
        """The files' contents, None where there is none; one round trip for all."""
        return look_on([self], paths)[0]

    def told(self, output: str, paths: Sequence[Path]) -> Contents:
        """The same, from what Ansible said of several machines."""
        return self.contents(self._answer(output), paths)

    def contents(self, done: Completed, paths: Sequence[Path]) -> Contents:
        found = lines(done)
        if done.status != 0 or len(found) != len(paths):
            raise StepError(
                self.step,
                f"{self.address}: files cannot be read as root: {done.stderr.strip()}",
                advice="Pigsty needs sudo without password there",
            )
        return {
            path: None if text == "-" else base64.b64decode(text[1:])
            for path, text in zip(paths, found, strict=True)
        }

    def write(self, path: Path, content: bytes, mode: int) -> None:
        """Put the file there, owned by root unless one is there: its owner stays."""
        self.site.prefetched.forget()
        if self.is_admin():
            self.site.admin.write(File(path, content, mode, keep_previous=False, foreign=True))
            return
        passing = self.tree.home / ".dify-rollout.file"
        self.site.admin.write(File(passing, content, 0o600, keep_previous=False))
        done = self.site.admin.attempt(self.tree.put(passing, self.address, path, mode))
        self.site.admin.run(Command(("rm", "-f", str(passing))))
        if done.status != 0:
            said = ansible.plain((done.stdout + done.stderr).strip())
            raise StepError(self.step, f"{self.address}: {path} is not written: {said}")

    def remove(self, path: Path) -> None:
        self.run(("rm", "-f", str(path)))

    def is_admin(self) -> bool:
        if reached_its_own_way(self.site, self.address):
            return False
        return self.address in addresses(self.site.admin)


def lines(done: Completed) -> list[str]:
    """What it printed."""
    return text_lines(done.stdout)


def text_lines(text: str) -> list[str]:
    """Those that are not empty; Ansible writes the end of a line as two characters."""
    printed = text.replace("\\n", "\n").splitlines()
    return [line for each in printed if (line := each.strip())]


def look_on(machines: Sequence[Machine], paths: Sequence[Path]) -> list[Contents]:
    """What `look` says of each machine; Ansible's second is spent once for all of them."""
    far = [machine for machine in machines if not machine.is_admin()]
    told = {
        machine.address: machine.site.prefetched.take(machine.address, paths) for machine in far
    }
    unknown = [machine for machine in far if told[machine.address] is None]
    told |= zip((machine.address for machine in unknown), ask(unknown, paths), strict=True)
    return [
        told.get(machine.address) or machine.contents(machine.run(_looking(paths)), paths)
        for machine in machines
    ]


def look_on_reached(
    machines: Sequence[Machine], paths: Sequence[Path]
) -> list[tuple[Machine, Contents]]:
    """What `look` says of each machine that is reached; of the others only a warning.

    Raises:
        Unreached: none is.
    """
    try:
        return list(zip(machines, look_on(machines, paths), strict=True))
    except Unreached:
        if len(machines) == 1:
            raise
    found: list[tuple[Machine, Contents]] = []
    silent: list[Unreached] = []
    for machine in machines:
        try:
            found.append((machine, machine.look(paths)))
        except Unreached as error:
            silent.append(error)
    if not found:
        raise silent[0]
    for error in silent:
        log.warning("%s: not looked at, the others answer: %s", error.step, error.cause)
    return found


def ask(far: Sequence[Machine], paths: Sequence[Path]) -> list[Contents]:
    """The files of machines that only Ansible reaches.

    Raises:
        Unreached: one of them is unknown or not reached.
    """
    if not far:
        return []
    command = far[0].tree.ask([machine.address for machine in far], _looking(paths), "root")
    done = far[0].site.admin.attempt(command)
    return [machine.told(done.stdout + done.stderr, paths) for machine in far]


def _looking(paths: Sequence[Path]) -> tuple[str, ...]:
    return ("sh", "-c", _LOOK, "look", *map(str, paths))


@cache  # a run asks often, and over SSH each answer takes its time
def addresses(node: Node) -> frozenset[str]:
    """The node's own."""
    known = node.attempt(Command(("hostname", "-I"), changes=False))
    return frozenset(known.stdout.split())
