"""The domain goes from the Dify that an adoption takes over to this environment, and back.

By an entry of infra_portal that is made a comment, and by a file of nginx that gets a name which
nginx does not read: both stay as they are, for the way back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clients.files import File
from config.desired.inventory import handover
from config.desired.inventory.changes import diff
from config.desired.inventory.merge import merge
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.pigsty.facts import desired
from tasks.platforms.pigsty.machines import lines
from tasks.platforms.pigsty.nginx import (
    CONF,
    conf_path,
    files_serving,
    load,
    machine,
    set_aside_suffix,
)
from tasks.platforms.pigsty.tree import askable, inventory, inventory_path
from tasks.platforms.pigsty.variables import variables
from tasks.tools import nginx

MODE = 0o600


def taken_steps(site: Site) -> list[Step[Any]]:
    """What takes the domain from the other Dify, in a run that adopts it."""
    return [TakenEntry(site), TakenFiles(site)] if site.adopting else []


def back_steps(site: Site) -> list[Step[Any]]:
    """What gives it back."""
    return [ReturnedEntry(site), ReturnedFiles(site)]


def kept_steps(site: Site) -> list[Step[Any]]:
    """What leaves nothing of the other Dify's."""
    return [RemovedEntry(site), RemovedFiles(site)]


@dataclass(frozen=True, slots=True)
class _Entry:
    """pigsty.yml says who has the domain."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> str | None:
        return inventory(self.site)

    def plan(self, actual: str | None) -> Sequence[Change]:
        if actual is None or (wanted := self._wanted(actual)) == actual:
            return []
        path = inventory_path(self.site)
        secrets = [value.get_secret_value() for value in self.site.secrets.values()]
        lines = diff(actual, wanted, secrets).splitlines()[2:]
        before, after = ("\n".join(x[1:] for x in lines if x.startswith(sign)) for sign in "-+")
        mode = self.site.admin.mode(path) or MODE
        file = File(path, wanted.encode(), mode, foreign=True)
        return [Change(Kind.CHANGE, f"entry in {path}", self._what(), before, after, file)]

    def apply(self, change: Change) -> None:
        """The one before stays beside it as .previous."""
        self.site.admin.write(change.action)

    def _wanted(self, text: str) -> str:
        raise NotImplementedError

    def _what(self) -> str:
        raise NotImplementedError

    @property
    def _domain(self) -> str:
        return self.site.environment.portal.domain

    @property
    def _own(self) -> str:
        return self.site.environment.dify.project


@dataclass(frozen=True, slots=True)
class TakenEntry(_Entry):
    """The other Dify's entry is a comment, and this environment's is there."""

    def _wanted(self, text: str) -> str:
        path = str(inventory_path(self.site))
        aside = handover.set_aside(text, self._domain, self.site.name, self._own, path)
        if aside == text:
            return text
        ours = replace(desired(self.site), takes_domain=False)
        return merge(aside, ours, path, variables(self.site))

    def _what(self) -> str:
        return f"set aside the entry that serves {self._domain}"


@dataclass(frozen=True, slots=True)
class ReturnedEntry(_Entry):
    """The other Dify's entry is there again, and this environment's is not."""

    def _wanted(self, text: str) -> str:
        """This environment's entry goes, too, where a file serves the other Dify.

        From an entry that stays, Pigsty would render a second file for the same domain.
        """
        path, files = str(inventory_path(self.site)), ReturnedFiles(self.site).observe()
        others = bool(files.serving or files.aside)
        words = text, self._domain, self.site.name, self._own, path
        return handover.put_back(*words, by_file=others)

    def _what(self) -> str:
        return f"put back the entry that served {self._domain}"


@dataclass(frozen=True, slots=True)
class RemovedEntry(_Entry):
    """The comment is gone."""

    def _wanted(self, text: str) -> str:
        return handover.removed(text, self.site.name)

    def _what(self) -> str:
        return f"remove the entry that served {self._domain}"


@dataclass(frozen=True, slots=True)
class Files:
    """nginx's files: those that serve the domain, with their other names; those set aside."""

    serving: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of who has the domain have names that nginx reads."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> Files:
        if askable(self.site) is None:
            return Files()
        own, domain = conf_path(self.site).name, self.site.environment.portal.domain
        names = lines(machine(self.site).run(("ls", "-1", str(CONF))))
        aside = tuple(sorted(name for name in names if name.endswith(self._suffix)))
        others = {
            name: tuple(sorted(nginx.names(text) - {domain}))
            for name, text in sorted(files_serving(self.site).items())
            if name != own
        }
        return Files(others, aside)

    @property
    def _suffix(self) -> str:
        return set_aside_suffix(self.site)

    def _run(self, *words: str) -> None:
        done = machine(self.site).run(words)
        if done.status != 0:
            raise StepError(self.name, f"{' '.join(words)}: {done.stderr.strip()}")


@dataclass(frozen=True, slots=True)
class TakenFiles(_Files):
    """The other Dify's file is set aside; until its reload, nginx serves what it has read before.

    The portal's next step (the entry of infra_portal, or the environment's own file) sees that
    nginx has not read this change, and reloads it.
    """

    def plan(self, actual: Files) -> Sequence[Change]:
        return [self._change(name, also) for name, also in actual.serving.items()]

    def _change(self, name: str, also: tuple[str, ...]) -> Change:
        ends = f"; no longer served: {', '.join(also)}" if also else ""
        what, aside = f"set aside {name} of the portal{ends}", f"{name}{self._suffix}"
        return Change(Kind.CHANGE, name, what, name, aside)

    def apply(self, change: Change) -> None:
        place = CONF / change.target
        self._run("mv", "-f", str(place), f"{place}{self._suffix}")


@dataclass(frozen=True, slots=True)
class ReturnedFiles(_Files):
    """nginx has read the other Dify's file again, and ours is gone."""

    def plan(self, actual: Files) -> Sequence[Change]:
        return [self._change(name, actual.aside) for name in actual.aside]

    def _change(self, name: str, together: tuple[str, ...]) -> Change:
        back = name.removesuffix(self._suffix)
        return Change(Kind.CHANGE, name, f"put back {back} of the portal", name, back, together)

    def apply(self, change: Change) -> None:
        """What was set aside goes last: a run that is killed before finds its work undone."""
        places = [CONF / name for name in change.action]
        for place in places:
            self._run("cp", "-p", str(place), str(place).removesuffix(self._suffix))
        machine(self.site).remove(conf_path(self.site))
        load(self.site)
        for place in places:
            machine(self.site).remove(place)


@dataclass(frozen=True, slots=True)
class RemovedFiles(_Files):
    """No file is set aside."""

    def plan(self, actual: Files) -> Sequence[Change]:
        return [
            Change(Kind.REMOVE, name, f"remove {name} of the portal", name) for name in actual.aside
        ]

    def apply(self, change: Change) -> None:
        machine(self.site).remove(CONF / change.target)
