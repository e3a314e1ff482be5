"""The sandbox's directory, and the unprivileged user its servers run as."""

import hashlib
import os
import pwd
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from clients.command import Command, CommandFailed
from clients.node import Held, LocalNode
from clients.waiting import despite
from config.errors import StepError
from tasks.core.owner_mark import mark_home, require_own
from tasks.core.site import Site

SERVICE_USER = "dify-rollout"
REACHABLE = Path("/var/lib/dify-rollout")
TURN_S = 600.0


def prepare_home(site: Site) -> None:
    """The sandbox's directory exists, and the user its servers run as can reach it.

    Root often keeps a checkout where nobody else may look (/root, a private
    temporary directory). Then `sandbox.home` is a link to a directory below
    /var/lib/dify-rollout.
    """
    require_own(site.environment, site.node)
    _make_reachable(site)
    mark_home(site.environment, site.node)


def _make_reachable(site: Site) -> None:
    home = site.environment.sandbox.home
    home.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or _reachable(home):
        home.resolve().mkdir(parents=True, exist_ok=True)
        return
    if home.is_dir() and any(home.iterdir()):
        raise StepError(
            "sandbox",
            f"user {SERVICE_USER}, as whom the servers run, cannot reach {home}",
            advice=f"let it pass (chmod o+x on {home} and above), or remove {home}",
        )
    if home.is_dir():
        home.rmdir()
    real = reachable_home(site)
    _make(real)
    with suppress(FileExistsError):  # another run may have been faster
        home.symlink_to(real)


@contextmanager
def starting_alone(site: Site) -> Generator[None]:
    """While this process may start the sandbox's servers; another one that does waits.

    Raises:
        StepError: another process has been starting them for `TURN_S`.
    """
    lock = site.environment.sandbox.home / "start.lock"
    with ExitStack() as held:
        try:
            despite(
                lambda error: isinstance(error, Held),
                lambda: held.enter_context(site.node.hold(lock, f"pid {os.getpid()}")),
                within_s=site.within(TURN_S),
                every_s=0.2,
                waiting="sandbox: waiting for another process that starts its servers",
            )
        except Held as error:
            raise StepError(
                "sandbox",
                f"the sandbox's servers are being started by {error.holder}",
                advice="wait until it ends, or end it; its lock frees itself",
            ) from None
        yield


def reachable_home(site: Site) -> Path:
    """Where the sandbox really lies when its own place is closed to others."""
    path = str(site.environment.sandbox.home)
    return REACHABLE / f"{site.name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def service_user() -> str | None:
    """The unprivileged OS user of the servers, created if missing; None unless we are root."""
    if os.geteuid() != 0:
        return None
    if not _exists(SERVICE_USER):
        words = ("useradd", "--system", "--user-group", "--no-create-home")
        shell = ("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SERVICE_USER)
        try:
            LocalNode().run(Command((*words, *shell)))
        except CommandFailed:
            # Another run may have been faster.
            if not _exists(SERVICE_USER):
                raise
    return SERVICE_USER


def server_uid() -> int:
    """Who owns the servers' files."""
    user = service_user()
    return pwd.getpwnam(user).pw_uid if user else os.geteuid()


def make_owned(folder: Path) -> None:
    """A directory only the servers' user (and root) can enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    os.chown(folder, server_uid(), -1)


def _reachable(home: Path) -> bool:
    """Whether everybody may pass through all directories down to `home`, links followed."""
    real = home.resolve()
    folders = [real, *real.parents] if real.exists() else list(real.parents)
    return all(folder.stat().st_mode & 0o001 for folder in folders if folder.exists())


def _make(real: Path) -> None:
    for folder in (REACHABLE, real):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
