"""Machines of Pigsty's inventory, for the little that playbooks neither tell nor tidy up.

The admin node itself is asked directly; any other by Ansible, and so is one to which pigsty.yml
says another way.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blocks.command import Command, Completed
from blocks.files import File
from blocks.node import Node
from config.errors import StepError
from tasks.pigsty.facts import reached_its_own_way
from tasks.site import Site
from tasks.tools import ansible
from tasks.tools.pigsty import Tree

# The paths come as arguments: nothing of theirs is read by the shell.
_LOOK = (
    'for path; do if [ -f "$path" ]; then printf + && base64 -w0 "$path"; else printf -- -; fi; '
    "echo; done"
)


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
            StepError: the machine is unknown or not reached.
        """
        if self._is_admin():
            return self.site.admin.attempt(Command(tuple(words), user=user, timeout_s=timeout_s))
        done = self.site.admin.attempt(self.tree.ask(self.address, words, user, timeout_s))
        try:
            return ansible.answer(done.stdout + done.stderr)
        except ansible.NoAnswer as error:
            raise StepError(
                self.step,
                f"Ansible does not reach {self.address}: {error}",
                advice=f"log in from {self.site.admin.name} by ssh as Ansible does",
            ) from None

    def look(self, paths: Sequence[Path]) -> dict[Path, bytes | None]:
        """The files' contents, None where there is none; one round trip for all."""
        done = self.run(("sh", "-c", _LOOK, "look", *map(str, paths)))
        found = done.stdout.replace("\\n", "\n").split()
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
        """Put the file there, owned by root."""
        if self._is_admin():
            self.site.admin.write(File(path, content, mode, keep_previous=False))
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

    def _is_admin(self) -> bool:
        if reached_its_own_way(self.site, self.address):
            return False
        return self.address in addresses(self.site.admin)


@cache  # a run asks often, and over SSH each answer takes its time
def addresses(node: Node) -> frozenset[str]:
    """The node's own."""
    known = node.attempt(Command(("hostname", "-I"), changes=False))
    return frozenset(known.stdout.split())
