"""The sandbox's portal: its own nginx serves the domain.

Files first, then `nginx -t` over everything it would read, then a reload of the
running master: whatever fails before that, the old portal keeps serving.
"""

import difflib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.files import File
from config.desired.maintenance import include, included_name
from config.desired.portal import server_block
from config.desired.sandbox import nginx_conf
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.sandbox import nginx
from tasks.platforms.sandbox.answers import require_answer
from tasks.platforms.sandbox.authority import Authority, Paths
from tasks.platforms.sandbox.home import prepare_home
from tasks.platforms.sandbox.nginx import Processes
from tasks.platforms.sandbox.package import Program
from tasks.steps.given_certificate import GivenCertificate
from tasks.tools.nginx import Complaint, has

FOLDERS = ("conf.d", "logs", "temp")


@dataclass(frozen=True, slots=True)
class Home:
    """The sandbox's directory and nginx's folders in it."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> list[Path]:
        prefix = nginx.folder(self.site)
        return [prefix / name for name in FOLDERS if not (prefix / name).is_dir()]

    def plan(self, actual: list[Path]) -> Sequence[Change]:
        if not actual:
            return []
        names = [path.name for path in actual]
        return [
            Change(
                Kind.MAKE,
                str(actual[0].parent),
                f"create {actual[0].parent}",
                "absent",
                ", ".join(names),
                names,
            )
        ]

    def apply(self, change: Change) -> None:
        prepare_home(self.site)
        for name in change.action:
            (nginx.folder(self.site) / name).mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Actual:
    """nginx's directory, our files in it, what runs, and which files it has not read yet."""

    prefix: Path
    contents: dict[Path, bytes | None]
    running: Processes | None
    unread: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Portal:
    """nginx runs and serves the domain as our files say."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> Actual:
        prefix = nginx.folder(self.site)
        desired = _files(self.site, prefix)
        found = nginx.running(prefix)
        read = [*desired, *_certificates(self.site)]
        unread = tuple(path for path in read if found and _newer(path, found.since))
        contents = {path: self.site.node.read(path) for path in desired}
        return Actual(prefix, contents, found, unread)

    def plan(self, actual: Actual) -> Sequence[Change]:
        desired = _files(self.site, actual.prefix)
        changes = [
            _write(path, actual.contents.get(path), content)
            for path, content in desired.items()
            if actual.contents.get(path) != content
        ]
        if actual.running is None:
            changes.append(
                Change(
                    Kind.START, "nginx", "start nginx", "not running", str(actual.prefix), "start"
                )
            )
        elif changes or actual.unread:
            why = ", ".join(path.name for path in actual.unread) or "files above"
            changes.append(
                Change(
                    Kind.RELOAD,
                    "nginx",
                    "reload nginx",
                    f"serves without {why}",
                    "serves it",
                    "reload",
                )
            )
        return changes

    def apply(self, change: Change) -> None:
        prefix = nginx.folder(self.site)
        if isinstance(change.action, File):
            self.site.node.write(change.action)
            return
        found = nginx.running(prefix)
        if complaint := nginx.check(self.site.node, prefix):
            self._put_back(found)
            raise _refused(complaint, self.site, prefix, serving=found is not None)
        if found is None:
            nginx.start(self.site)
        else:
            try:
                nginx.reload(prefix)
            except StepError:
                self._put_back(found)
                raise
        require_answer(self.site)

    def _put_back(self, found: Processes | None) -> None:
        """Files the running workers have not read become what they did read."""
        for path in _files(self.site, nginx.folder(self.site)) if found else ():
            previous = self.site.node.read(path.with_name(path.name + ".previous"))
            if found and previous is not None and _newer(path, found.since):
                self.site.node.write(File(path, previous, keep_previous=False))


@dataclass(frozen=True, slots=True)
class Beside:
    """A file beside the domain's, which its server includes."""

    site: Site
    passing: Sequence[str] = ("127.0.0.1", "::1")

    def is_included(self) -> bool:
        environment = self.site.environment
        text = self.site.node.read(self._path.with_name("dify.conf")) or b""
        directive = include(environment)
        return has(text.decode(errors="replace"), environment.portal.domain, directive)

    def read(self) -> bytes | None:
        return self.site.node.read(self._path)

    def write(self, content: bytes | None) -> None:
        if content is None:
            self._path.unlink(missing_ok=True)
        else:
            self.site.node.write(File(self._path, content, keep_previous=False))

    def load(self) -> None:
        prefix = nginx.folder(self.site)
        if nginx.running(prefix) is None:
            return
        if complaint := nginx.check(self.site.node, prefix):
            raise _refused(complaint, self.site, prefix, serving=True)
        nginx.reload(prefix)

    @property
    def _path(self) -> Path:
        return nginx.folder(self.site) / "conf.d" / included_name(self.site.environment)


def portal_steps(site: Site) -> list[Step[Any]]:
    """What makes the domain answer, in order."""
    home = site.environment.sandbox.home
    portal = site.environment.portal
    authority = Authority(site.node, Paths.below(home), portal.domain)
    given = GivenCertificate(site) if portal.certificate else authority
    tls = [given] if portal.tls else []
    return [Home(site), program(site), *tls, Portal(site)]


def program(site: Site) -> Program:
    return Program(site.node, "portal", "nginx", "nginx-light", "nginx")


def _files(site: Site, prefix: Path) -> dict[Path, bytes]:
    environment = site.environment
    block = server_block(environment, site.release, *_pair(site, prefix.parent))
    return {
        prefix / "nginx.conf": nginx_conf(environment, prefix.parent).encode(),
        prefix / "conf.d" / "dify.conf": block.encode(),
    }


def _certificates(site: Site) -> list[Path]:
    environment = site.environment
    return list(_pair(site, environment.sandbox.home)) if environment.portal.tls else []


def _pair(site: Site, home: Path) -> tuple[Path, Path]:
    """Certificate and key: the operator's, or those of the sandbox's authority."""
    portal, own = site.environment.portal, Paths.below(home)
    if portal.certificate:
        return Path(portal.certificate), Path(portal.key)
    return own.certificate, own.key


def _newer(path: Path, moment: float) -> bool:
    """Whether the file was written after `moment`.

    A time in the future says that the clock was set back: then it tells nothing.
    """
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return moment < written <= time.time()


def _write(path: Path, old: bytes | None, new: bytes) -> Change:
    action = File(path, new)
    if old is None:
        return Change(
            Kind.MAKE,
            path.name,
            f"write {path.name}",
            "absent",
            f"{len(new.splitlines())} lines",
            action,
        )
    lines = list(
        difflib.ndiff(old.decode(errors="replace").splitlines(), new.decode().splitlines())
    )
    before = "\n".join(line[2:] for line in lines if line.startswith("- "))
    after = "\n".join(line[2:] for line in lines if line.startswith("+ "))
    return Change(Kind.CHANGE, path.name, f"rewrite {path.name}", before, after, action)


def _refused(complaint: Complaint, site: Site, prefix: Path, *, serving: bool) -> StepError:
    """What nginx has against which file, whose file it is, and what serves meanwhile."""
    where = f"{complaint.path}:{complaint.line}: " if complaint.path else ""
    foreign = complaint.path is not None and complaint.path not in _files(site, prefix)
    meanwhile = "; the old portal keeps serving" if serving else ""
    return StepError(
        "portal",
        f"nginx refuses {where}{complaint.reason}{meanwhile}",
        tried=f"nginx -t -p {prefix}",
        advice=(
            f"mend {complaint.path}, which is not written by dify-rollout, or move it away; "
            "then deploy again"
            if foreign
            else f"read {prefix}/logs/error.log; the settings of [portal] decide these files"
        ),
    )
