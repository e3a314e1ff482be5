"""A certificate for the domain that the operator has, and the file it lies in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Planned
from tasks.tools import certificate


@dataclass(frozen=True, slots=True)
class GivenCertificate:
    """The files of `portal.certificate` and `portal.key` can serve the domain; others make them."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> str:
        portal, node = self.site.environment.portal, self.site.admin
        text, key = node.read(Path(portal.certificate)), node.read(Path(portal.key))
        return certificate.unfit(text, key, portal.domain)

    def plan(self, actual: str) -> Sequence[Planned]:
        if not actual:
            return []
        portal = self.site.environment.portal
        cause = f"{portal.certificate} and {portal.key}: {actual}"
        advice = (
            "put there what the authority sent: the domain's certificate first, then each that "
            "signed the one before, and the key without a passphrase"
        )
        return [Blocked(f"serve {portal.domain}", cause, advice)]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""


def given_authority(site: Site) -> bytes | None:
    """Who signed the given certificate, where its file says so; None: whom the system trusts."""
    text = site.admin.read(Path(site.environment.portal.certificate))
    return certificate.root(text) if certificate.names(text) is not None and text else None
