"""Whether the portal answers for its domain, asked at the address itself and not through DNS."""

import http.client
import socket
import ssl
from functools import partial

from clients.waiting import despite
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.sandbox.authority import Paths

ADDRESS = "127.0.0.1"
WITHIN_S = 5.0


def require_answer(site: Site) -> None:
    """The domain answers over http and, with TLS, shows a certificate of the sandbox's CA.

    Any status will do, 502 included: what is behind is the stack's matter.

    Raises:
        StepError: no answer within `WITHIN_S` seconds times the patience; says of which port.
    """
    despite(
        lambda error: isinstance(error, StepError),
        partial(_ask, site),
        within_s=site.within(WITHIN_S),
        every_s=0.05,
    )


def _ask(site: Site) -> None:
    portal, home = site.environment.portal, site.environment.sandbox.home
    port = portal.http_port
    try:
        _http(port, portal.domain)
        if portal.tls:
            port = portal.https_port
            _tls(port, portal.domain, _trust(site))
    except (OSError, http.client.HTTPException) as error:
        raise StepError(
            "portal",
            f"{portal.domain} does not answer on port {port}: {error}",
            tried=f"a request to {ADDRESS}:{port}",
            advice=f"read {home}/nginx/logs/error.log",
        ) from None


def _http(port: int, domain: str) -> None:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=WITHIN_S)
    try:
        connection.request("HEAD", "/", headers={"Host": domain})
        connection.getresponse()
    finally:
        connection.close()


def _trust(site: Site) -> ssl.SSLContext:
    """The sandbox's CA; a certificate that was given is judged as a file, and by `verify`."""
    if site.environment.portal.certificate:
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        return anybody
    return ssl.create_default_context(cafile=str(Paths.below(site.environment.sandbox.home).ca))


def _tls(port: int, domain: str, trust: ssl.SSLContext) -> None:
    with (
        socket.create_connection((ADDRESS, port), timeout=WITHIN_S) as plain,
        trust.wrap_socket(plain, server_hostname=domain),
    ):
        return
