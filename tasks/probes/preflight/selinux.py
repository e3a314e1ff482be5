"""Whether SELinux keeps Dify's containers from the folders that they mount."""

from pathlib import Path

from clients.command import Command
from config.rules.engine import kept_out
from config.rules.finding import Reading, bad, good
from tasks.core.site import Site

NAME = "selinux"
ENFORCE = Path("/sys/fs/selinux/enforce")


def selinux(site: Site) -> Reading:
    """An engine that labels no containers is none of its business; without one nobody is asked."""
    if (site.node.read(ENFORCE) or b"").strip() != b"1":
        return good(NAME, "is not enforced")
    if site.docker.trouble():
        return good(NAME, "is enforced; what Docker Engine makes of it is known once it runs")
    folders = (site.environment.dify.home, site.environment.dify.data)
    found = kept_out(site.docker.info(), {each: _label(site, each) for each in folders})
    return bad(NAME, *found) if found else good(NAME, "is enforced, and lets containers in")


def _label(site: Site, folder: Path) -> str:
    """Empty where there is no such folder."""
    done = site.node.attempt(Command(("stat", "--format", "%C", str(folder)), changes=False))
    return done.stdout.strip() if done.status == 0 else ""
