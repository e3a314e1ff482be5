"""The portal's nginx: tried before it reads anything, and only ever told to reload."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.desired.maintenance import include, included_name
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty import answers
from tasks.platforms.pigsty.answers import Silent
from tasks.platforms.pigsty.machines import Machine, lines
from tasks.platforms.pigsty.tree import askable, require_tree
from tasks.tools import nginx

CONF = Path("/etc/nginx/conf.d")
PID = Path("/run/nginx.pid")
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
        load(site)


def load(site: Site) -> None:
    """Have nginx read its files.

    Raises:
        StepError: it does not take them, or does not read them; in its own words.
    """
    require_sound(site)
    done = machine(site).run(("nginx", "-s", "reload"))
    if done.status != 0:
        where = site.environment.pigsty.admin_ip
        said = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise StepError(
            "portal",
            f"nginx of {where} does not read its files: {said}",
            tried="nginx -s reload",
            advice=f"start nginx on {where}, or look at why it ended; then deploy again",
        )


def unserved(site: Site, files: Iterable[Path] = ()) -> str:
    """Why the domain does not lead to Dify as these files say, and its own; empty: it does."""
    try:
        if not answers.serves_dify(site):
            return "the portal answers with another site"
    except Silent as error:
        return str(error)
    own = {conf_path(site), *files}
    done = machine(site).run(nginx.ask_unread(PID, CONF, set_aside_suffix(site), sorted(own)))
    late = nginx.unread(lines(done)) if done.status == 0 else []
    return f"nginx has not read it since a change of {', '.join(late)}" if late else ""


def set_aside_suffix(site: Site) -> str:
    """The end of the name that a file gets while its domain is this environment's."""
    return f".set-aside-by-{site.name}"


def serving(site: Site) -> dict[str, list[str]]:
    """File whose servers have the domain as a name → where they lead; none if nobody is asked."""
    return {name: nginx.addresses(text) for name, text in files_serving(site).items()}


def files_serving(site: Site) -> dict[str, str]:
    """The same files → what they say."""
    names = names_serving(site)
    if not names:
        return {}
    found = machine(site).look([CONF / name for name in names])
    return {path.name: (content or b"").decode(errors="replace") for path, content in found.items()}


def names_serving(site: Site) -> list[str]:
    """The same files."""
    if askable(site) is None:
        return []
    domain = re.escape(site.environment.portal.domain)
    start = "^([^#]*[;{[:space:]])?server_name[[:space:]]"
    name = rf"{start}([^;#]*[[:space:]])?{domain}[[:space:];]"
    words = ("grep", "--files-with-matches", "--recursive", "--no-messages", "--include=*.conf")
    try:
        done = machine(site).run((*words, "--extended-regexp", name, str(CONF)))
    except StepError:
        return []
    return sorted(Path(line).name for line in lines(done))


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

    def is_included(self) -> bool:
        if askable(self.site) is None:
            return False
        path, environment = conf_path(self.site), self.site.environment
        text = (machine(self.site).look([path])[path] or b"").decode(errors="replace")
        return nginx.has(text, environment.portal.domain, include(environment))

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
        load(self.site)
