"""What of a Pigsty somebody who helps from afar would ask for; no secret of anybody in it."""

from config.desired.inventory.masking import masked
from tasks.core.site import Site
from tasks.platforms.pigsty import nginx
from tasks.platforms.pigsty.secrets import mask
from tasks.platforms.pigsty.tree import INVENTORY, inventory, tree


def papers(site: Site) -> dict[str, str]:
    """Pigsty's version and inventory, and every file that the portal's nginx reads."""
    found = tree(site)
    if found is None:
        return {}
    hide, secrets = mask(site), [value.get_secret_value() for value in site.secrets.values()]
    done = nginx.machine(site).run(("nginx", "-T"))
    return {
        "version.txt": found.version,
        INVENTORY: hide(masked(inventory(site) or "", secrets)),
        "nginx.txt": hide(done.stdout + done.stderr),
    }
