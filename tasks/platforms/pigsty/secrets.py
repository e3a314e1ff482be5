"""What of Pigsty's commands and texts is not shown to anybody."""

from clients.command import Command, CommandFailed
from tasks.core.site import Site
from tasks.platforms.pigsty.tree import askable, inventory
from tasks.tools.ansible_secrets import Mask, resolved, written


def mask(site: Site) -> Mask:
    """Hides the environment's secrets and those Ansible knows: of inventory, vaults, roles.

    Where Ansible does not answer, as with an inventory that it cannot read, those of the texts.
    """
    values = {value.get_secret_value() for value in site.secrets.values()}
    values |= written(inventory(site) or "")
    if tree := askable(site):
        values |= resolved(_printed(site, tree.variables()))
        values |= written(_printed(site, tree.defaults()))
    return Mask(values)


def hide(site: Site, text: str) -> str:
    """`text` without any secret."""
    return mask(site)(text)


def _printed(site: Site, command: Command) -> str:
    try:
        return site.admin.attempt(command).stdout
    except CommandFailed:
        return ""
