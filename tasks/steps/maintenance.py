"""The page that people get at the domain while Dify is being replaced.

It is a file that the portal's server includes: what is left of it by a run that was killed, the
next rollout takes away.
"""

import http.client
import logging
import socket
import ssl
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from clients.node import LockLost
from clients.running import Cancelled
from config.desired.maintenance import MARK, maintenance_file
from config.errors import RolloutError, StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Outcome, converge
from tasks.platforms.base import Address, Included

log = logging.getLogger("rollout")

ANSWER_S = 5.0
SETTLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether nginx has read the page, and the address from which it was asked here."""

    read: bool
    sender: str


@dataclass(frozen=True, slots=True)
class Actual:
    """The file's content, None without one; what nginx answers, None where it is silent.

    `included`: whether a server of the domain includes the file; asked before it is shown only.
    """

    content: bytes | None
    answer: Answer | None
    included: bool


@dataclass(frozen=True, slots=True)
class Maintenance:
    """People get the page (`up`) or Dify."""

    site: Site
    included: Included
    up: bool
    name: str = "portal"
    settle_s: float = SETTLE_S

    def observe(self) -> Actual:
        included = not self.up or self.included.is_included()
        return Actual(self.included.read(), _asked(self.site), included)

    def plan(self, actual: Actual) -> Sequence[Change]:
        answer, domain = actual.answer, self.site.environment.portal.domain
        if self.up and (answer is None or not actual.included):
            return []  # nobody comes to Dify that way
        wanted = _page(self.site, self.included, answer) if self.up else None
        if actual.content == wanted and (answer is None or answer.read == self.up):
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


@contextmanager
def dispensable() -> Generator[None]:
    """A page that cannot be shown is a warning: nothing waits for a portal that is broken."""
    try:
        yield
    except (Cancelled, LockLost):
        raise
    except RolloutError as error:
        cause = error.cause if isinstance(error, StepError) else error
        log.warning("portal: people see no page of maintenance: %s", cause)


def prepare(site: Site) -> None:
    """The page's file is where the domain's server includes it; nginx is not reloaded.

    A server of this environment that is written afterwards has the page from its first reload on.
    """
    if included := site.platform.included(site):
        included.write(_page(site, included, _asked(site)))


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


def _page(site: Site, included: Included, answer: Answer | None) -> bytes:
    """The file; requests of the portal's machine and of this one get past what it says."""
    senders = [answer.sender] if answer else []
    passing = tuple(dict.fromkeys([*included.passing, *senders]))
    return maintenance_file(site.environment, passing).encode()


def is_read(site: Site) -> bool:
    """Whether nginx has the page, asked as who gets past it."""
    answer = _asked(site)
    return answer is not None and answer.read


def _asked(site: Site) -> Answer | None:
    portal, place, within_s = site.environment.portal, _place(site), site.within(ANSWER_S)
    connection = http.client.HTTPConnection(*place)
    try:
        plain = socket.create_connection(place, timeout=within_s)
        sender, name = str(plain.getsockname()[0]), portal.domain
        connection.sock = (
            _unverified().wrap_socket(plain, server_hostname=name) if portal.tls else plain
        )
        connection.request("GET", MARK, headers={"Host": name})
        read = connection.getresponse().status == http.HTTPStatus.NO_CONTENT
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return Answer(read, sender)


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
