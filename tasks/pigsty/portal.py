"""Dify's entry in Pigsty's portal, and the certificate for its domain.

`nginx -t` comes first: one bad file of anybody's, and a restart takes the whole portal down. Our
playbook runs only reload, so that the old workers serve on whatever happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509

from blocks.command import Command
from config.desired.portal import portal_file
from config.errors import StepError
from config.pigsty import by_hand
from tasks.pigsty import answers
from tasks.pigsty.answers import Silent
from tasks.pigsty.facts import desired
from tasks.pigsty.machines import Machine
from tasks.pigsty.playbook import carry_out
from tasks.pigsty.tree import require_tree, tree
from tasks.site import Site
from tasks.step import Change, Step
from tasks.tools import nginx
from tasks.tools.pigsty import RENEWED_TAGS

CONF = Path("/etc/nginx/conf.d")
PKI = Path("files/pki/nginx")
PAIR = ("pigsty.crt", "pigsty.key")
RENEW_DAYS = 30  # Pigsty issues it for 397 and never again
SETTLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """The portal presents a certificate of Pigsty's authority that names the domain.

    Pigsty issues it once: a domain that came later is not in it until the files are out of the way.
    """

    site: Site
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> tuple[str, str]:
        """What is wrong with the file, and with what nginx presents; empty: nothing."""
        home = self.site.environment.pigsty.home
        text = self.site.admin.read(home / PKI / PAIR[0])
        fault = _fault(text, self.site.environment.portal.domain)
        try:
            return fault, answers.certificate_fault(self.site)
        except Silent as error:
            return fault, str(error)

    def plan(self, actual: tuple[str, str]) -> Sequence[Change]:
        of_file, presented = actual
        if not of_file and not presented:
            return []
        domain = self.site.environment.portal.domain
        what = f"issue the portal's certificate for {domain}"
        return [Change(what, of_file or presented, f"for {domain}", bool(of_file))]

    def apply(self, change: Change) -> None:
        found = require_tree(self.site, self.name)
        require_sound(self.site)
        moved = self._move_aside() if change.action else False
        try:
            reloading = partial(reload, self.site)
            carry_out(self.site, self, change, found.portal(RENEWED_TAGS), then=reloading)
        except StepError:
            if moved and self.observe()[0]:
                self._move("{}.previous", "{}")
            raise

    def _move_aside(self) -> bool:
        """The old pair stays beside: nginx has its own copy and serves on with it.

        What a failed playbook left half written is no pair, and must not take the old one's place.
        """
        whole = _names(self.site.admin.read(self._folder / PAIR[0])) is not None
        if whole:
            self._move("{}", "{}.previous")
        else:
            left = tuple(str(self._folder / name) for name in PAIR)
            self.site.admin.run(Command(("rm", "-f", *left)))
        return whole

    def _move(self, source: str, target: str) -> None:
        for name in PAIR:
            words = (str(self._folder / pattern.format(name)) for pattern in (source, target))
            self.site.admin.run(Command(("mv", "-f", *words)))

    @property
    def _folder(self) -> Path:
        return self.site.environment.pigsty.home / PKI


@dataclass(frozen=True, slots=True)
class EntrySeen:
    """What nginx's file of the entry lacks (None: no file), and why the domain is not served."""

    lacks: tuple[str, ...] | None
    unserved: str


@dataclass(frozen=True, slots=True)
class Entry:
    """nginx serves the domain as the entry of infra_portal says."""

    site: Site
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> EntrySeen:
        found = tree(self.site)
        if found is None:
            return EntrySeen(None, "no Pigsty")
        path = conf_path(self.site)
        text = machine(self.site).look([path])[path]
        lacks = None if text is None else tuple(self._lacks(text.decode(errors="replace")))
        return EntrySeen(lacks, unserved(self.site))

    def plan(self, actual: EntrySeen) -> Sequence[Change]:
        if actual.lacks == () and not actual.unserved:
            return []
        before = "absent" if actual.lacks is None else ", ".join(actual.lacks) or actual.unserved
        portal = desired(self.site).portal or {}
        what = f"serve {self.site.environment.portal.domain}"
        return [Change(what, before, f"leads to {portal.get('endpoint')}", "entry")]

    def apply(self, change: Change) -> None:
        found = require_tree(self.site, self.name)
        require_sound(self.site, rewritten=conf_path(self.site))
        try:
            carry_out(self.site, self, change, found.portal(), then=lambda: reload(self.site))
        except StepError:
            require_sound(self.site)
            raise

    def _lacks(self, text: str) -> list[str]:
        """Which words of the entry are not in the file that was rendered from it."""
        entry = desired(self.site).portal or {}
        words = set(text.replace(";", " ").split())
        lacks = [str(entry[key]) for key in ("domain", "endpoint") if entry[key] not in words]
        if entry.get("websocket") and "$http_upgrade" not in words:
            lacks.append("websocket")
        if entry.get("enforce_https") and not {"301", "308"} & words:
            lacks.append("redirect to https")
        return [f"without {word}" for word in lacks]


@dataclass(frozen=True, slots=True)
class Certbot:
    """Let's Encrypt has issued a certificate for the public domain."""

    site: Site
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> bool:
        if tree(self.site) is None:
            return False
        path = Path("/etc/letsencrypt/live") / self.site.environment.portal.domain / "fullchain.pem"
        return machine(self.site).look([path])[path] is not None

    def plan(self, actual: bool) -> Sequence[Change]:
        what = f"ask Let's Encrypt for {self.site.environment.portal.domain}"
        return [] if actual else [Change(what, "Pigsty's own certificate", "publicly trusted")]

    def apply(self, change: Change) -> None:
        """Its failure is ignored by the playbook: only the certificate counts."""
        require_sound(self.site)
        command = require_tree(self.site, self.name).certbot()
        carry_out(
            self.site, self, change, command, then=lambda: reload(self.site),
            advice="the domain must lead here from the internet, on port 80",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate of Pigsty's authority for the domain alone, for a file written by hand."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> str:
        found = tree(self.site)
        text = self.site.admin.read(found.home / self._path) if found else None
        return _fault(text, self.site.environment.portal.domain)

    def plan(self, actual: str) -> Sequence[Change]:
        domain = self.site.environment.portal.domain
        return [Change(f"issue a certificate for {domain}", actual, "", "")] if actual else []

    def apply(self, change: Change) -> None:
        domain = self.site.environment.portal.domain
        command = require_tree(self.site, self.name).certificate(domain)
        carry_out(self.site, self, change, command)

    @property
    def _path(self) -> Path:
        return Path(f"files/pki/misc/{self.site.environment.portal.domain}.crt")


@dataclass(frozen=True, slots=True)
class HandWritten:
    """nginx serves the domain by a file of ours, under a key that infra_portal does not have."""

    site: Site
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> tuple[list[Path], str]:
        """Files that differ, and why the domain is not served."""
        wanted = self._files()
        if tree(self.site) is None:
            return list(wanted), "no Pigsty"
        there = machine(self.site).look(list(wanted))
        return [path for path in wanted if there[path] != wanted[path]], unserved(self.site)

    def plan(self, actual: tuple[list[Path], str]) -> Sequence[Change]:
        differ, not_served = actual
        if not differ and not not_served:
            return []
        before = ", ".join(str(path) for path in differ) or not_served
        what = f"serve {self.site.environment.portal.domain} by {conf_path(self.site)}"
        return [Change(what, before, "routes and nodes of [portal] and [nodes]", "files")]

    def apply(self, change: Change) -> None:
        """Certificate and key first; a file nginx refuses is taken back before anybody reads it."""
        require_sound(self.site)
        there, path = machine(self.site), conf_path(self.site)
        before = there.look([path])[path]
        for target, content in self._files().items():
            there.write(target, content, 0o644 if target == path else 0o600)
        try:
            require_sound(self.site)
        except StepError:
            if before is None:
                there.remove(path)
            else:
                there.write(path, before, 0o644)
            raise
        there.run(("nginx", "-s", "reload"))

    def _files(self) -> dict[Path, bytes]:
        environment = self.site.environment
        domain, home = environment.portal.domain, environment.pigsty.home
        pair = {CONF / "cert" / f"{domain}.{kind}": home / f"files/pki/misc/{domain}.{kind}"
                for kind in ("crt", "key")}  # fmt: skip
        files = {target: self.site.admin.read(source) or b"" for target, source in pair.items()}
        certificate, key = files
        text = portal_file(environment, self.site.release, certificate, key)
        return {**(files if environment.portal.tls else {}), conf_path(self.site): text.encode()}


def entry_steps(site: Site) -> list[Step[Any]]:
    """Through infra_portal, or by a file of ours where an entry cannot say it."""
    tls = site.environment.portal.tls
    if by_hand(site.environment):
        return [*([OwnCertificate(site)] if tls else []), HandWritten(site)]
    certbot = [Certbot(site)] if site.environment.pigsty.certbot else []
    return [*([Certificate(site)] if tls else []), Entry(site), *certbot]


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


def conf_path(site: Site) -> Path:
    return CONF / f"{site.environment.pigsty.portal_entry}.conf"


def machine(site: Site) -> Machine:
    """Where the portal's nginx runs."""
    found = require_tree(site, "portal")
    return Machine(site, found, site.environment.pigsty.admin_ip, "portal")


def _fault(text: bytes | None, domain: str) -> str:
    if text is None:
        return "absent"
    known = _names(text)
    if known is None:
        return "not a certificate for servers"
    if domain not in known:
        return f"for {', '.join(known)}"
    ends = x509.load_pem_x509_certificate(text).not_valid_after_utc
    return f"ends on {ends:%Y-%m-%d}" if ends < datetime.now(UTC) + timedelta(RENEW_DAYS) else ""


def _names(text: bytes | None) -> list[str] | None:
    """The names a certificate is for; None: it is none for servers."""
    try:
        extensions = x509.load_pem_x509_certificate(text or b"").extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    return names.get_values_for_type(x509.DNSName)
