"""What Ansible resolves for each machine, where pigsty.yml alone does not say all.

By the module debug: `ansible-inventory` shows vault strings closed and templates as they stand.
"""

from clients.command import CommandFailed
from config.desired.inventory.document import read
from config.desired.inventory.effective import Variables, asks_ansible, unresolved
from config.errors import ConfigError
from tasks.core.site import Site
from tasks.platforms.pigsty.tree import askable, inventory, inventory_path
from tasks.tools import ansible
from tasks.tools.ansible_secrets import Mask
from tasks.tools.pigsty import Tree

FOLDERS = ("group_vars", "host_vars")


def variables(site: Site) -> Variables:
    """Machine → variable → value; empty where the file says everything itself.

    Raises:
        ConfigError: the file needs Ansible to be read, and Ansible does not read it.
    """
    text, path = inventory(site), inventory_path(site)
    if text is None:
        return {}
    opaque = asks_ansible(read(text, str(path)).tree)
    folders = site.admin.look([path.with_name(name) for name in FOLDERS])
    if not opaque and not any(folders.values()):
        return {}
    tree = askable(site)
    if tree is None and not opaque:
        return {}  # a plan before bootstrap; a deploy asks once Ansible is there
    try:
        return _asked(site, tree)
    except ansible.NoAnswer as error:
        raise ConfigError(
            [
                f"{path}: Ansible does not resolve its variables: {Mask(())(str(error))}; expected "
                "Ansible on the admin node, and vault_password_file in ansible.cfg for what is "
                "vaulted"
            ]
        ) from None


def _asked(site: Site, tree: Tree | None) -> Variables:
    if tree is None:
        raise ansible.NoAnswer("it is not installed yet")
    try:
        done = site.admin.attempt(tree.variables())
    except CommandFailed as error:
        raise ansible.NoAnswer(error.reason) from None
    found = ansible.variables(done.stdout + done.stderr)
    if name := unresolved(found):
        raise ansible.NoAnswer(f"{name} stays vaulted, or is a template that nothing fills")
    return found
