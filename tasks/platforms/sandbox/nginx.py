"""The sandbox's own nginx: what runs, start, reload, stop. Its files are the portal step's."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from clients.command import CommandFailed
from clients.node import Node
from clients.processes import Process, open_files, processes
from clients.waiting import until
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.sandbox.daemons import end, require_free
from tasks.platforms.sandbox.home import service_user
from tasks.tools import nginx
from tasks.tools.nginx import Complaint

EVERYWHERE = "0.0.0.0"  # noqa: S104
RELOAD_WITHIN_S = 8.0
STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Processes:
    """The master, and the workers that take new connections."""

    master: Process
    workers: tuple[Process, ...]

    @property
    def since(self) -> float:
        """When the oldest of these workers read the configuration, seconds since the epoch."""
        return min((worker.started for worker in self.workers), default=0.0)


def folder(site: Site) -> Path:
    """nginx's directory, as its unprivileged workers reach it (sandbox.home may be a link)."""
    return site.environment.sandbox.home.resolve() / "nginx"


def running(prefix: Path) -> Processes | None:
    """The nginx of exactly this directory, None if it does not run."""
    everything = list(processes())
    for found in everything:
        if nginx.is_master(found.title, prefix):
            mine = (p for p in everything if p.parent == found.pid)
            return Processes(found, tuple(p for p in mine if nginx.is_current_worker(p.title)))
    return None


def check(node: Node, prefix: Path) -> Complaint | None:
    """What nginx has against the configuration as it lies there; None: nothing."""
    done = node.attempt(nginx.test(prefix, service_user()))
    if done.status == 0:
        return None
    return nginx.complaint(done.stderr) or Complaint(done.stderr.strip() or "no reason given")


def configuration(site: Site) -> str:
    """Every file that nginx would read, or what it has against one of them."""
    done = site.node.attempt(nginx.dump(folder(site), service_user()))
    return done.stdout + done.stderr


def start(site: Site) -> None:
    """Make it run, after an end of any kind.

    Raises:
        StepError: somebody holds its port, or it does not start; says who or why.
    """
    prefix, portal = folder(site), site.environment.portal
    _end_orphans(prefix)
    for port in (portal.http_port, *([portal.https_port] if portal.tls else [])):
        require_free("portal", [EVERYWHERE], port)
    try:
        site.node.run(nginx.start(prefix, service_user()))
    except CommandFailed as error:
        why = nginx.complaint(error.output)
        raise StepError(
            "portal",
            f"nginx does not start: {why.reason if why else error.reason}",
            tried=str(error.command),
            advice=f"read {prefix}/logs/error.log",
        ) from None


def reload(prefix: Path) -> None:
    """Have the master read its files again and wait for workers that did; old ones finish.

    Raises:
        StepError: it kept the old configuration; says why.
    """
    before = running(prefix)
    if before is None:
        raise StepError("portal", "nginx ended by itself", advice=f"read {prefix}/logs/error.log")
    journal = prefix / "logs" / "error.log"
    read = journal.stat().st_size if journal.exists() else 0
    old = {worker.pid for worker in before.workers}
    os.kill(before.master.pid, signal.SIGHUP)  # what `nginx -s reload` sends
    # A taken port is tried for some seconds before nginx gives up.
    until(
        lambda: _renewed(prefix, old) or "still could not bind" in _since(journal, read),
        within_s=RELOAD_WITHIN_S,
        every_s=0.02,
    )
    if _renewed(prefix, old):
        return
    why = nginx.complaint(_since(journal, read))
    raise StepError(
        "portal",
        f"nginx keeps its old configuration: {why.reason if why else 'no new workers'}",
        tried="nginx -s reload",
        advice=f"mend what it says, or read {journal}; the old portal keeps serving",
    )


def _renewed(prefix: Path, old: set[int]) -> bool:
    """Whether none of the workers is an old one."""
    now = running(prefix)
    return bool(now and now.workers and old.isdisjoint(worker.pid for worker in now.workers))


def _since(journal: Path, offset: int) -> str:
    """What was logged after the first `offset` bytes."""
    if not journal.exists():
        return ""
    with journal.open("rb") as stream:
        stream.seek(offset)
        return stream.read().decode(errors="replace")


def stop(site: Site) -> None:
    """No process of the sandbox's nginx is left; requests under way get `STOP_WITHIN_S` s."""
    prefix = folder(site)
    found = running(prefix)
    if found:
        end([found.master], signal.SIGQUIT, STOP_WITHIN_S)
    _end_orphans(prefix)


def _end_orphans(prefix: Path) -> None:
    """End workers whose master was killed: they would hold the ports for ever."""
    found = running(prefix)
    master = found.master.pid if found else None
    ours = f"{prefix}/"
    orphans = [
        p
        for p in processes()
        if nginx.is_worker(p.title)
        and p.parent != master
        and any(name.startswith(ours) for name in open_files(p.pid))
    ]
    end(orphans, signal.SIGTERM, STOP_WITHIN_S)
