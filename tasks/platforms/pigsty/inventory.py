"""pigsty.yml: made by Pigsty's own `configure` where there is none, then edited for Dify."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clients.command import Command
from clients.files import File
from config.desired.inventory.changes import changes, diff
from config.desired.inventory.document import read
from config.desired.inventory.edits import edited
from config.desired.inventory.effective import Variables
from config.desired.inventory.merge import merge, seed
from config.desired.inventory.wanted import wanted
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step, log
from tasks.platforms.pigsty.facts import desired
from tasks.platforms.pigsty.secrets import hide
from tasks.platforms.pigsty.tree import inventory, inventory_path, require_tree
from tasks.platforms.pigsty.variables import variables

MODE = 0o600
OTHERS = 0o007


@dataclass(frozen=True, slots=True)
class New:
    """pigsty.yml is there. One that is there is never written by `configure`."""

    site: Site
    name: str = "configure"
    settle_s: float = 0

    def observe(self) -> bool:
        return self.site.admin.mode(inventory_path(self.site)) is not None

    def plan(self, actual: bool) -> Sequence[Change]:
        if actual:
            return []
        pigsty = self.site.environment.pigsty
        what = f"configure {inventory_path(self.site)}"
        return [
            Change(
                Kind.MAKE,
                str(inventory_path(self.site)),
                what,
                "absent",
                f"{pigsty.template} for {pigsty.admin_ip}",
                "configure",
            )
        ]

    def apply(self, change: Change) -> None:
        """It ends with status 0 although its checks failed: only the file counts."""
        pigsty = self.site.environment.pigsty
        command = require_tree(self.site, self.name).configure(
            pigsty.admin_ip,
            template=pigsty.template,
            version=pigsty.pg_version,
            region=pigsty.region,
        )
        done = self.site.admin.attempt(command)
        self._hand_over()
        text = inventory(self.site) or ""
        if pigsty.admin_ip not in text:
            raise StepError(
                "configure",
                f"{inventory_path(self.site)} was not made for {pigsty.admin_ip}",
                tried="\n".join([str(command), *hide(self.site, done.stdout).splitlines()[-4:]]),
                advice="run it by hand in pigsty.home and read what it says",
            )

    def _hand_over(self) -> None:
        """The file belongs to the tree's owner, who would find no host in one of root's."""
        home, path = self.site.environment.pigsty.home, inventory_path(self.site)
        if self.site.admin.is_root():
            words = ("chown", f"--reference={home}", str(path))
            self.site.admin.attempt(Command(words))


@dataclass(frozen=True, slots=True)
class Actual:
    """The file's text (None: absent) and mode, and what Ansible makes of it where it alone can."""

    text: str | None = field(repr=False)
    mode: int = MODE
    variables: Variables = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True)
class Edited:
    """pigsty.yml says what Dify needs; every other byte is the user's."""

    site: Site
    name: str = "configure"
    settle_s: float = 0

    def observe(self) -> Actual:
        path = inventory_path(self.site)
        mode = self.site.admin.mode(path) or MODE
        return Actual(inventory(self.site), mode, variables(self.site))

    def plan(self, actual: Actual) -> Sequence[Change]:
        if actual.text is None:
            return [self._of_new()]
        path = str(inventory_path(self.site))
        merged = merge(actual.text, desired(self.site), path, actual.variables)
        file = self._file(merged, actual.mode)
        found: list[Change] = []
        if merged != actual.text:
            before, after = self._difference(actual.text, merged)
            what = f"edit {inventory_path(self.site)}"
            found.append(Change(Kind.CHANGE, str(file.path), what, before, after, file))
        elif actual.mode != file.mode:
            what = f"close {inventory_path(self.site)} to others"
            modes = f"mode {actual.mode:04o}", f"mode {file.mode:04o}"
            found.append(Change(Kind.CHANGE, f"mode of {file.path}", what, *modes, file))
        return found

    def apply(self, change: Change) -> None:
        """The one before stays beside it as .previous."""
        file: File = change.action
        old, new = inventory(self.site) or "", file.content.decode()
        for key in changes(old, new, self._secrets()):
            log.info("%s: %s: %s → %s", self.name, key.path, key.before, key.after)
        self.site.admin.write(file)

    def _of_new(self) -> Change:
        """What will be put into a file that `configure` has still to make."""
        ours = desired(self.site)
        document = read(seed(ours))
        _, after = self._difference(document.text, edited(document, wanted(document.tree, ours)))
        return Change(
            Kind.CHANGE,
            str(inventory_path(self.site)),
            f"edit {inventory_path(self.site)}",
            "as configure makes it",
            after,
        )

    def _file(self, text: str, mode: int) -> File:
        """The file is its owner's, with the rights he gives himself and his group."""
        return File(inventory_path(self.site), text.encode(), mode & ~OTHERS, foreign=True)

    def _difference(self, old: str, new: str) -> tuple[str, str]:
        lines = diff(old, new, self._secrets()).splitlines()[2:]
        before, after = ([x[1:] for x in lines if x.startswith(sign)] for sign in "-+")
        return "\n".join(before), "\n".join(after)

    def _secrets(self) -> list[str]:
        return [value.get_secret_value() for value in self.site.secrets.values()]


def inventory_steps(site: Site) -> list[Step[Any]]:
    return [New(site), Edited(site)]
