"""The portal's nginx: tried before it reads anything, and only ever told to reload."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.desired.maintenance import included_name
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty import answers
from tasks.platforms.pigsty.answers import Silent
from tasks.platforms.pigsty.machines import Machine, lines
from tasks.platforms.pigsty.tree import askable, require_tree
from tasks.tools import nginx

CONF = Path("/etc/nginx/conf.d")
SETTLE_S = 10.0


def require_sound(site: Site, rewritten: Path | None = None) -> None:
    """nginx takes every file it would read, but perhaps the one that is about to be written anew.

    Raises:
        StepError: it does not; says which file and why.
    """
    done = machine(site).run(("nginx", "-t", "-q"))
    said = nginx.complaint(done.stderr or done.stdout)
    ours = said and said.path and rewritten and str(said.path).endswith(str(rewritten))
    if done.status == 0 or ours:
        return
    where = f"{said.path}:{said.line}: " if said and said.path else ""
    raise StepError(
        "portal",
        f"nginx refuses {where}{said.reason if said else done.stderr.strip()}; the portal "
        "serves on with what it has read before",
        tried=f"nginx -t on {site.environment.pigsty.admin_ip}",
        advice="mend the file or move it away; then deploy again",
    )


def reload(site: Site) -> None:
    """Have nginx read its files: trees before 3.0 have no task for it."""
    if not require_tree(site, "portal").reloads_nginx:
        machine(site).run(("nginx", "-s", "reload"))


def unserved(site: Site) -> str:
    """Why the domain does not lead to Dify; empty: it does."""
    try:
        return "" if answers.serves_dify(site) else "the portal answers with another site"
    except Silent as error:
        return str(error)


def serving(site: Site) -> dict[str, list[str]]:
    """File whose servers have the domain as a name → where they lead; none if nobody is asked."""
    if askable(site) is None:
        return {}
    domain = re.escape(site.environment.portal.domain)
    start = "^([^#]*[;{[:space:]])?server_name[[:space:]]"
    name = rf"{start}([^;#]*[[:space:]])?{domain}[[:space:];]"
    words = ("grep", "--files-with-matches", "--recursive", "--no-messages", "--include=*.conf")
    try:
        done = machine(site).run((*words, "--extended-regexp", name, str(CONF)))
    except StepError:
        return {}
    names = [Path(line).name for line in lines(done)]
    if not names:
        return {}
    found = machine(site).look([CONF / name for name in names])
    texts = {
        path.name: (content or b"").decode(errors="replace") for path, content in found.items()
    }
    return {name: nginx.addresses(text) for name, text in texts.items()}


def conf_path(site: Site) -> Path:
    return CONF / f"{site.environment.dify.project}.conf"


def machine(site: Site) -> Machine:
    """Where the portal's nginx runs."""
    found = require_tree(site, "portal")
    return Machine(site, found, site.environment.pigsty.admin_ip, "portal")


def included_path(site: Site) -> Path:
    return CONF / included_name(site.environment)


@dataclass(frozen=True, slots=True)
class Beside:
    """A file beside the domain's, which its server includes."""

    site: Site

    @property
    def passing(self) -> Sequence[str]:
        return ("127.0.0.1", "::1", self.site.environment.pigsty.admin_ip)

    def read(self) -> bytes | None:
        if askable(self.site) is None:
            return None
        path = included_path(self.site)
        return machine(self.site).look([path])[path]

    def write(self, content: bytes | None) -> None:
        if content is None:
            machine(self.site).remove(included_path(self.site))
        else:
            machine(self.site).write(included_path(self.site), content, 0o644)

    def load(self) -> None:
        require_sound(self.site)
        machine(self.site).run(("nginx", "-s", "reload"))
