"""Dify's entry in Pigsty's portal, and the certificate for its domain.

`nginx -t` comes first: one bad file of anybody's, and a restart takes the whole portal down. Our
playbook runs only reload, so that the old workers serve on whatever happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clients.command import Command
from config.errors import StepError
from config.pigsty import by_hand
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.pigsty import answers
from tasks.platforms.pigsty.answers import Silent
from tasks.platforms.pigsty.certbot import Certbot, presents_issued
from tasks.platforms.pigsty.domain import FreeDomain
from tasks.platforms.pigsty.facts import desired, portal_config
from tasks.platforms.pigsty.hand_written import HandWritten, OwnCertificate
from tasks.platforms.pigsty.handover import taken_steps
from tasks.platforms.pigsty.nginx import (
    SETTLE_S,
    conf_path,
    machine,
    reload,
    require_sound,
    unserved,
)
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import askable, require_tree
from tasks.steps.given_certificate import GivenCertificate
from tasks.tools import certificate
from tasks.tools.pigsty import RENEWED_TAGS

PKI = Path("files/pki/nginx")
PAIR = ("pigsty.crt", "pigsty.key")
RENEW_DAYS = 30  # Pigsty issues it for 397 and never again
CHALLENGE = "/.well-known/acme-challenge/"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The portal presents a certificate of Pigsty's authority, or certbot's, that names the domain.

    Pigsty issues it once: a domain that came later is not in it until the files are out of the way.
    """

    site: Site
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> tuple[str, str]:
        """What is wrong with the file, and with what nginx presents; empty: nothing."""
        home = self.site.environment.pigsty.home
        text = self.site.admin.read(home / PKI / PAIR[0])
        fault = certificate.fault(text, self.site.environment.portal.domain, RENEW_DAYS)
        if presents_issued(self.site):
            return fault, ""
        try:
            return fault, answers.certificate_fault(self.site)
        except Silent as error:
            return fault, str(error)

    def plan(self, actual: tuple[str, str]) -> Sequence[Change]:
        of_file, presented = actual
        if not of_file and not presented:
            return []
        domain = self.site.environment.portal.domain
        what, target = f"issue the portal's certificate for {domain}", f"certificate of {domain}"
        before, after = of_file or presented, f"for {domain}"
        return [Change(Kind.MAKE, target, what, before, after, bool(of_file))]

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
        whole = certificate.names(self.site.admin.read(self._folder / PAIR[0])) is not None
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
        if askable(self.site) is None:
            return EntrySeen(None, "no Pigsty")
        path = conf_path(self.site)
        text = machine(self.site).look([path])[path]
        lacks = None if text is None else tuple(self._lacks(text.decode(errors="replace")))
        return EntrySeen(lacks, unserved(self.site))

    def plan(self, actual: EntrySeen) -> Sequence[Change]:
        if actual.lacks == () and not actual.unserved:
            return []
        before = "absent" if actual.lacks is None else ", ".join(actual.lacks) or actual.unserved
        after = f"leads to {(desired(self.site).portal or {}).get('endpoint')}"
        domain = self.site.environment.portal.domain
        what, target = f"serve {domain}", f"portal of {domain}"
        return [Change(Kind.MAKE, target, what, before, after, "entry")]

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
        if portal_config(self.site).strip() not in text:
            lacks.append("its headers and ciphers")
        if entry.get("certbot") and CHALLENGE not in words:
            lacks.append("the answer to the challenge of certbot")
        return [f"without {word}" for word in lacks]


def entry_steps(site: Site) -> list[Step[Any]]:
    """Through infra_portal, or by a file of ours where an entry cannot say it."""
    tls, given = site.environment.portal.tls, site.environment.portal.certificate
    taken = [FreeDomain(site), *taken_steps(site)]
    if by_hand(site.environment):
        own = GivenCertificate(site) if given else OwnCertificate(site)
        return [*([own] if tls else []), *taken, HandWritten(site)]
    certbot = [Certbot(site)] if site.environment.pigsty.certbot else []
    return [*([Certificate(site)] if tls else []), *taken, Entry(site), *certbot]
