"""Programs a step needs on the node: found, else installed from the distribution."""

from clients.command import Command
from clients.node import Node
from config.errors import StepError

UPDATE_S = 300
INSTALL_S = 900
QUIET = (("DEBIAN_FRONTEND", "noninteractive"),)
LOCK = ("-o", "DPkg::Lock::Timeout=300")
# Steps run side by side, and apt-get waits for nobody who fetches its lists.
ALONE = ("flock", "--timeout", str(INSTALL_S), "/var/lib/apt")


def install(node: Node, *packages: str, within_s: float = INSTALL_S) -> None:
    """The packages, and nothing they merely recommend. Needs root and apt."""
    update = (*ALONE, "apt-get", "update", "-qq", *LOCK)
    node.run(Command(update, env=QUIET, timeout_s=UPDATE_S + INSTALL_S))
    words = (*ALONE, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *LOCK, *packages)
    node.run(Command(words, env=QUIET, timeout_s=within_s + INSTALL_S))


def program(node: Node, name: str, package: str = "") -> str:
    """Full path of the program.

    Raises:
        StepError: it is not there and cannot be installed from here.
    """
    if found := node.which(name):
        return found
    package = package or name
    if not node.is_root() or node.which("apt-get") is None:
        raise StepError("backup", f"{name} is not installed", advice=f"install {package}")
    install(node, package)
    if found := node.which(name):
        return found
    raise StepError("backup", f"{package} was installed and brings no {name}")
