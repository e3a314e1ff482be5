"""What the steps will look at on machines only Ansible reaches, asked for once, while a run begins.

Ansible needs most of a second to say anything, and without this each step would wait for it.
"""

from collections.abc import Sequence
from functools import partial

from config.errors import RolloutError
from tasks.core.prefetched import Contents
from tasks.core.site import Site
from tasks.platforms.pigsty import members, names, nginx, pgsql
from tasks.platforms.pigsty.machines import Machine, ask
from tasks.platforms.pigsty.tree import askable

LOOKING = frozenset({"pgsql", "portal", "hosts"})


def prefetch(site: Site, only: Sequence[str] = ()) -> None:
    """Begin to ask; the first look at each file is answered by it, unless a change came between.

    `only`: the steps that will be run, none for all. Where none of them looks, nobody is asked.
    """
    looked_for = not only or LOOKING.intersection(only)
    if not looked_for:
        return
    site.prefetched.begin(partial(_asked, site))


def _asked(site: Site) -> Contents:
    """Nothing where it fails: the step that looks then says why."""
    tree = askable(site)
    if tree is None:
        return {}
    portal = Machine(site, tree, site.environment.pigsty.admin_ip, "portal")
    machines = {machine.address: machine for machine in (*members.machines(site), portal)}
    far = [machine for machine in machines.values() if not machine.is_admin()]
    paths = [
        *pgsql.files(site),
        nginx.conf_path(site),
        nginx.included_path(site),
        *names.files(site),
    ]
    try:
        found = ask(far, paths)
    except RolloutError:
        return {}
    return {
        (machine.address, path): content
        for machine, there in zip(far, found, strict=True)
        for path, content in there.items()
    }
