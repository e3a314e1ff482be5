"""Pigsty's tree on the admin node, and the inventory in it."""

from pathlib import Path

from config.errors import StepError
from tasks.core.site import Site
from tasks.tools.pigsty import ENTRIES, PITR, Tree, version_of

INVENTORY = "pigsty.yml"


def tree(site: Site) -> Tree | None:
    """The tree at pigsty.home, None if there is none."""
    home = site.environment.pigsty.home
    found = site.admin.look([home / name for name in ("bootstrap", "conf", *ENTRIES, PITR)])
    script = found[home / "bootstrap"]
    if script is None or script.content is None:
        return None
    files = frozenset(path.name for path, entry in found.items() if entry)
    return Tree(home, version_of(script.content.decode(errors="replace")) or "unknown", files)


def askable(site: Site) -> Tree | None:
    """The tree if its machines can be asked: not before it has an inventory, and Ansible."""
    known = site.admin.mode(inventory_path(site)) is not None and site.admin.which("ansible")
    return tree(site) if known else None


def require_tree(site: Site, step: str) -> Tree:
    """The tree.

    Raises:
        StepError: there is none.
    """
    found = tree(site)
    if found is None:
        raise StepError(
            step,
            f"{site.admin.name} has no Pigsty at {site.environment.pigsty.home}",
            advice="deploy without --only, which puts it there, or mend pigsty.home",
        )
    return found


def inventory(site: Site) -> str | None:
    """Text of pigsty.yml, None if there is none."""
    content = site.admin.read(inventory_path(site))
    return None if content is None else content.decode(errors="replace")


def inventory_path(site: Site) -> Path:
    return site.environment.pigsty.home / INVENTORY
