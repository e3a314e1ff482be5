"""The stack's files and directories are what config says."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.command import Command
from clients.docker import NoEnd
from clients.files import File
from clients.node import Entry
from config.desired import env_file
from config.desired.compose import written_colours
from config.desired.services import active
from config.desired.stack import StackFile, stack_files
from config.errors import StepError
from tasks.core import release_file
from tasks.core.authorities import authorities
from tasks.core.nodes import on_each
from tasks.core.ownership import owned
from tasks.core.promotion import SameImages
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.steps.revisions import Served

MASK = "***"
DIFF_LINES = 12


@dataclass(frozen=True, slots=True)
class Actual:
    """File → content and mode; None where there is none."""

    content: dict[str, str | None]
    modes: dict[str, int | None]
    written: dict[str, str]


@dataclass(frozen=True, slots=True)
class Files:
    """`.env`, `compose.yaml` and what services mount."""

    site: Site
    name: str = "settings"
    settle_s: float = 0.0

    def observe(self) -> Actual:
        node, home = self.site.node, self.site.environment.dify.home
        found = node.look([home / file.name for file in self._wanted("")])
        return Actual(
            content={path.name: _text(entry) for path, entry in found.items()},
            modes={path.name: entry and entry.mode for path, entry in found.items()},
            written=release_file.read(self.site.environment, node).settings,
        )

    def plan(self, actual: Actual) -> list[Change]:
        changes: list[Change] = []
        for file in self._wanted(actual.content["compose.yaml"] or ""):
            content, mode = actual.content[file.name], actual.modes[file.name]
            if content != file.content:
                changes += (
                    self._settings(file, content or "", actual.written)
                    if file.name == ".env"
                    else [_file(file, content)]
                )
            elif mode != file.mode:
                what = f"restore the mode of {file.name}"
                changes.append(
                    Change(
                        Kind.CHANGE,
                        f"mode of {file.name}",
                        what,
                        f"{mode or 0:04o}",
                        f"{file.mode:04o}",
                        action=file,
                    )
                )
        return changes

    def apply(self, change: Change) -> None:
        file: StackFile = change.action
        path = self.site.environment.dify.home / file.name
        self.site.node.write(File(path, file.content.encode(), mode=file.mode))
        if file.name == ".env":
            written = release_file.digests(env_file.parse(file.content), self._key())
            release_file.update(self.site.environment, self.site.node, settings=written)

    def _wanted(self, written: str) -> list[StackFile]:
        """`written`: the compose.yaml there is. Its colours stay: they are the compose step's."""
        site = self.site
        return stack_files(
            site.environment,
            site.release,
            site.secrets,
            authorities(site),
            written_colours(written),
        )

    def _key(self) -> str:
        return self.site.secret("secret_key")

    def _settings(self, file: StackFile, text: str, written: dict[str, str]) -> list[Change]:
        """One change a key. A value that is not the one we last wrote was edited by hand."""
        have, want = env_file.parse(text), env_file.parse(file.content)
        edited = release_file.digests(have, self._key())
        secret = env_file.secret_keys(self.site.release)
        changes: list[Change] = []
        for key in [*want, *(key for key in have if key not in want)]:
            if have.get(key) == want.get(key):
                continue
            by_hand = bool(written) and edited.get(key) != written.get(key)
            verb = "undo the hand edit of" if by_hand else "set" if key in want else "remove"
            before, after = (
                _shown(key, values, secret, known=key in want) for values in (have, want)
            )
            changes.append(
                Change(
                    Kind.CHANGE,
                    f"{key} in {file.name}",
                    f"{verb} {key} in .env",
                    before,
                    after,
                    action=file,
                )
            )
        return changes or [
            Change(
                Kind.CHANGE, file.name, "rewrite .env", "other comments or order", "", action=file
            )
        ]


# Of a link the link itself, never what it leads to.
CHOWN = ("chown", "--recursive", "--no-dereference")
CHOWN_S = 1800


@dataclass(frozen=True, slots=True)
class Folders:
    """Directories of state exist and belong to the user the containers write as.

    One that belongs to somebody else was given away by hand, with all that is in it. `chown` comes
    to the directory itself last: what was killed on the way is seen and done again.
    """

    site: Site
    name: str = "settings"
    settle_s: float = 0.0

    def observe(self) -> dict[Path, int | None]:
        """Directory → uid of its owner, None where there is none."""
        found = self.site.node.look(self._wanted())
        return {path: entry and entry.owner for path, entry in found.items()}

    def plan(self, actual: dict[Path, int | None]) -> list[Change]:
        return [
            Change(
                Kind.MAKE,
                str(path),
                f"prepare {path}",
                _uid(actual[path]),
                _uid(owner),
                action=(path, owner),
            )
            for path, owner in self._wanted().items()
            if actual[path] != owner
        ]

    def apply(self, change: Change) -> None:
        path, owner = change.action
        self.site.node.run(Command(("mkdir", "-p", str(path))))
        if self.observe()[path] == owner:
            return
        if self.site.node.is_root():
            self.site.node.run(Command((*CHOWN, f"{owner}:{owner}", str(path)), timeout_s=CHOWN_S))
            return
        self._give(path, owner)

    def _give(self, path: Path, owner: int) -> None:
        """By root in a container, since here nobody is root."""
        program, *options = CHOWN
        try:
            status, said = self.site.docker.once(
                self.site.release.images["api"],
                [*options, f"{owner}:{owner}", "/state"],
                name=f"{self.site.environment.dify.project}-chown",
                entrypoint=[program],
                environment={},
                user="0",
                mounts={str(path): "/state"},
                timeout_s=self.site.within(CHOWN_S),
            )
        except NoEnd as error:
            status, said = 1, str(error)
        if status:
            raise StepError(
                self.name,
                f"{path} does not become the containers' (uid {owner}): {said.strip()}",
                advice=f"as root: {' '.join(CHOWN)} {owner}:{owner} {path}",
            )

    def _wanted(self) -> dict[Path, int]:
        environment, release = self.site.environment, self.site.release
        used = {n for s in active(environment, release).values() for n in s.volumes}
        return {
            environment.dify.data / state.path: state.owner
            for name, state in release.state.items()
            if name in used
        }


def settings_steps(site: Site) -> list[Step[Any]]:
    def on_node(each: Site) -> list[Step[Any]]:
        return [SameImages(each), *owned(each), Folders(each), Files(each)]

    return [Served(site), *on_each(site, on_node)]


def _file(file: StackFile, content: str | None) -> Change:
    if content is None:
        return Change(
            Kind.MAKE,
            file.name,
            f"write {file.name}",
            "absent",
            f"{len(file.content.splitlines())} lines",
            action=file,
        )
    diff = list(
        difflib.unified_diff(content.splitlines(), file.content.splitlines(), n=0, lineterm="")
    )[2:]
    before = [line[1:].strip() for line in diff if line.startswith("-")]
    after = [line[1:].strip() for line in diff if line.startswith("+")]
    return Change(
        Kind.CHANGE, file.name, f"update {file.name}", _some(before), _some(after), action=file
    )


def _some(lines: list[str]) -> str:
    more = f"\n… {len(lines) - DIFF_LINES} more" if len(lines) > DIFF_LINES else ""
    return "\n".join(lines[:DIFF_LINES]) + more


def _shown(key: str, values: dict[str, str], secret: frozenset[str], *, known: bool) -> str:
    """The value as people may see it; one we do not know may hold anything."""
    if key not in values:
        return "absent"
    return MASK if key in secret or not known else values[key]


def _text(entry: Entry | None) -> str | None:
    if entry is None or entry.content is None:
        return None
    return entry.content.decode(errors="replace")


def _uid(owner: int | None) -> str:
    return "absent" if owner is None else f"uid {owner}"
