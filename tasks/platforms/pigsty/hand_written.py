"""The portal by a file of ours, where an entry of infra_portal cannot say it.

It lies under a key that infra_portal does not have: Pigsty's playbook writes the files of its own
entries and leaves the others alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command
from config.desired.portal import portal_file
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.platforms.pigsty.nginx import (
    CONF,
    SETTLE_S,
    conf_path,
    load,
    machine,
    require_sound,
    unserved,
)
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import askable, require_tree, tree
from tasks.tools import certificate

RENEW_DAYS = 30  # it is issued for 397, the longest that browsers take


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate of Pigsty's authority for the domain alone, for a file written by hand."""

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> str:
        found = tree(self.site)
        text = self.site.admin.read(found.home / self._path) if found else None
        return certificate.fault(text, self.site.environment.portal.domain, RENEW_DAYS)

    def plan(self, actual: str) -> Sequence[Change]:
        domain = self.site.environment.portal.domain
        return (
            [
                Change(
                    Kind.MAKE,
                    f"certificate of {domain}",
                    f"issue a certificate for {domain}",
                    actual,
                    "",
                    "",
                )
            ]
            if actual
            else []
        )

    def apply(self, change: Change) -> None:
        """The playbook leaves alone what is there, so the old one is moved aside."""
        domain, found = self.site.environment.portal.domain, require_tree(self.site, self.name)
        old = str(found.home / self._path)
        if self.site.admin.mode(found.home / self._path) is not None:
            self.site.admin.run(Command(("mv", "-f", old, f"{old}.previous")))
        carry_out(self.site, self, change, found.certificate(domain))

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
        if askable(self.site) is None:
            return list(wanted), "no Pigsty"
        there = machine(self.site).look(list(wanted))
        differ = [path for path in wanted if there[path] != wanted[path]]
        return differ, unserved(self.site, wanted)

    def plan(self, actual: tuple[list[Path], str]) -> Sequence[Change]:
        differ, not_served = actual
        if not differ and not not_served:
            return []
        before = ", ".join(str(path) for path in differ) or not_served
        what = f"serve {self.site.environment.portal.domain} by {conf_path(self.site)}"
        return [
            Change(
                Kind.CHANGE,
                str(conf_path(self.site)),
                what,
                before,
                "routes and nodes of [portal] and [nodes]",
                "files",
            )
        ]

    def apply(self, change: Change) -> None:
        """Certificate and key first; a file nginx refuses is taken back before anybody reads it."""
        require_sound(self.site)
        there, path = machine(self.site), conf_path(self.site)
        before = there.look([path])[path]
        for target, content in self._files().items():
            there.write(target, content, 0o644 if target == path else 0o600)
        try:
            load(self.site)
        except StepError:
            if before is None:
                there.remove(path)
            else:
                there.write(path, before, 0o644)
            raise

    def _files(self) -> dict[Path, bytes]:
        environment = self.site.environment
        portal = environment.portal
        issued = environment.pigsty.home / "files/pki/misc" / portal.domain
        pair = {
            CONF / "cert" / f"{portal.domain}.crt": Path(portal.certificate or f"{issued}.crt"),
            CONF / "cert" / f"{portal.domain}.key": Path(portal.key or f"{issued}.key"),
        }
        files = {target: self.site.admin.read(source) or b"" for target, source in pair.items()}
        certificate, key = files
        text = portal_file(environment, self.site.release, certificate, key)
        return {**(files if portal.tls else {}), conf_path(self.site): text.encode()}
