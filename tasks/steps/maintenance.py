"""The page that people get at the domain while Dify is being replaced.

It is a file that the portal's server includes: what is left of it by a run that was killed, the
next rollout takes away.
"""

import http.client
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from config.desired.maintenance import MARK, maintenance_file
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Outcome, converge
from tasks.platforms.base import Address, Included

ANSWER_S = 5.0
SETTLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Actual:
    """The file's content, None without one; whether nginx has read it, None where it is silent."""

    content: bytes | None
    read: bool | None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """People get the page (`up`) or Dify."""

    site: Site
    included: Included
    up: bool
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> Actual:
        return Actual(self.included.read(), is_read(self.site))

    def plan(self, actual: Actual) -> Sequence[Change]:
        wanted = self._content()
        domain = self.site.environment.portal.domain
        if self.up and actual.read is None:
            return []  # nobody comes to Dify that way
        if actual.content == wanted and actual.read in (self.up, None):
            return []
        if self.up:
            what = f"show the page of maintenance at {domain}"
            return [Change(Kind.MAKE, MARK, what, "Dify", "503 and a page", wanted)]
        what = f"take away the page of maintenance at {domain}"
        return [Change(Kind.REMOVE, MARK, what, "503 and a page", "Dify", wanted)]

    def apply(self, change: Change) -> None:
        before = self.included.read()
        self.included.write(change.action)
        try:
            self.included.load()
        except StepError:
            self.included.write(before)
            raise

    def _content(self) -> bytes | None:
        if not self.up:
            return None
        passing = dict.fromkeys((*self.included.passing, *_own_address(self.site)))
        return maintenance_file(self.site.environment, tuple(passing)).encode()


def close(site: Site) -> Outcome:
    """People get the page; requests of the portal's own machine and of this one get to Dify."""
    return _carried_out(site, up=True)


def reopen(site: Site) -> Outcome:
    """The domain leads to Dify again."""
    return _carried_out(site, up=False)


def reopening(site: Site) -> list[Maintenance]:
    """What takes the page away; nothing where the portal takes nothing from here."""
    included = site.platform.included(site)
    return [Maintenance(site, included, up=False)] if included else []


def _carried_out(site: Site, *, up: bool) -> Outcome:
    included = site.platform.included(site)
    if included is None:
        return Outcome("portal", (), 0.0, applied=False)
    return converge(Maintenance(site, included, up), patience=site.within(1))


def is_read(site: Site) -> bool | None:
    """Whether nginx has the page, asked as who gets past it; None where it is silent."""
    portal, place = site.environment.portal, _place(site)
    connection = http.client.HTTPConnection(*place, timeout=site.within(ANSWER_S))
    try:
        if portal.tls:
            plain = socket.create_connection(place, timeout=site.within(ANSWER_S))
            connection.sock = _unverified().wrap_socket(plain, server_hostname=portal.domain)
        connection.request("GET", MARK, headers={"Host": portal.domain})
        return connection.getresponse().status == http.HTTPStatus.NO_CONTENT
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _own_address(site: Site) -> Sequence[str]:
    """Where the portal sees requests of this machine come from; none where nothing listens."""
    try:
        with socket.create_connection(_place(site), timeout=site.within(ANSWER_S)) as connection:
            return (str(connection.getsockname()[0]),)
    except OSError:
        return ()


def _place(site: Site) -> Address:
    portal = site.environment.portal
    port = portal.https_port if portal.tls else portal.http_port
    return site.platform.portal(site, port) or (portal.domain, port)


def _unverified() -> ssl.SSLContext:
    """For the question whether a page is up, which the certificate does not decide."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
