"""A publicly trusted certificate for the portal, by certbot as Pigsty sets it up.

The entry's key `certbot` makes Pigsty answer the challenge from a folder of nginx's; certbot's own
timer renews, and nginx is told of it by a hook that Pigsty does not bring.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.platforms.pigsty import answers
from tasks.platforms.pigsty.answers import Silent
from tasks.platforms.pigsty.nginx import SETTLE_S, machine, reload, require_sound
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import askable, require_tree
from tasks.tools import certificate
from tasks.tools.pigsty import RENEWED_TAGS

ISSUED = Path("/etc/letsencrypt/live")
HOOK = Path("/etc/letsencrypt/renewal-hooks/deploy/reload-nginx")
RELOAD = b"#!/bin/sh\nexec nginx -s reload\n"


@dataclass(frozen=True, slots=True)
class Actual:
    """What is wrong with the certificate, whether nginx presents it, and reads the next one."""

    fault: str
    presented: bool
    renews: bool


@dataclass(frozen=True, slots=True)
class Certbot:
    """nginx presents a certificate of the public authority's, and the ones that follow it."""

    site: Site
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> Actual:
        if askable(self.site) is None:
            return Actual("no Pigsty", presented=False, renews=False)
        path = issued_at(self.site)
        there = machine(self.site).look([path, HOOK])
        fault = certificate.fault(there[path], self.site.environment.portal.domain, days=0)
        return Actual(fault, presents(self.site, there[path]), there[HOOK] == RELOAD)

    def plan(self, actual: Actual) -> Sequence[Change]:
        domain = self.site.environment.portal.domain
        changes: list[Change] = []
        if actual.fault:
            what = f"have certbot ask for a certificate for {domain}"
            changes.append(
                Change(
                    Kind.MAKE,
                    f"certificate of {domain}",
                    what,
                    actual.fault,
                    "publicly trusted",
                    "ask",
                )
            )
        elif not actual.presented:
            what = f"have nginx present certbot's certificate for {domain}"
            changes.append(
                Change(
                    Kind.CHANGE,
                    f"certificate nginx presents for {domain}",
                    what,
                    "another one",
                    str(issued_at(self.site)),
                    "link",
                )
            )
        if not actual.renews:
            changes.append(
                Change(
                    Kind.MAKE,
                    str(HOOK),
                    "reload nginx after each renewal",
                    "absent",
                    str(HOOK),
                    "hook",
                )
            )
        return changes

    def apply(self, change: Change) -> None:
        """Certbot's failure is ignored by the playbook: only the certificate counts."""
        require_sound(self.site)
        if change.action == "hook":
            machine(self.site).write(HOOK, RELOAD, 0o755)
            return
        found = require_tree(self.site, self.name)
        command = found.certbot() if change.action == "ask" else found.portal(RENEWED_TAGS)
        carry_out(
            self.site, self, change, command, then=lambda: reload(self.site),
            advice=f"from the internet, http://{self.site.environment.portal.domain} must lead to "
            "this portal on port 80; until then set pigsty.certbot to false",
        )  # fmt: skip


def issued_at(site: Site) -> Path:
    return ISSUED / site.environment.portal.domain / "fullchain.pem"


def presents_issued(site: Site) -> bool:
    """Whether nginx presents what certbot got, whoever its authority is."""
    if not site.environment.pigsty.certbot or askable(site) is None:
        return False
    path = issued_at(site)
    return presents(site, machine(site).look([path])[path])


def presents(site: Site, text: bytes | None) -> bool:
    try:
        return text is not None and answers.presented(site) == certificate.first(text)
    except Silent:
        return False
