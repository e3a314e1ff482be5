"""What the portal's nginx presents and serves, asked at its address and not through DNS."""

import http.client
import json
import socket
import ssl

from tasks.core.site import Site
from tasks.platforms.pigsty.tree import tree

WITHIN_S = 5.0
AUTHORITY = "files/pki/ca/ca.crt"
MARK = "/console/api/setup"  # Dify answers it with JSON, Pigsty's home page with something else


class Silent(Exception):
    """Nobody answers there; says why."""


def certificate_fault(site: Site) -> str:
    """Why a browser that trusts Pigsty's authority refuses what is presented; empty: it does not.

    Raises:
        Silent: nothing answers.
    """
    faults = [_fault(site, trust) for trust in _trusts(site)]
    return "" if "" in faults else faults[0]


def presented(site: Site) -> bytes:
    """The certificate itself, whatever is wrong with it.

    Raises:
        Silent: nothing answers.
    """
    host, port = _place(site, site.environment.portal.https_port)
    try:
        with (
            socket.create_connection((host, port), timeout=WITHIN_S) as plain,
            _unverified().wrap_socket(plain, server_hostname=site.environment.portal.domain) as way,
        ):
            return way.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise Silent(f"{host}:{port}: {error}") from None


def serves_dify(site: Site) -> bool:
    """Whether the domain leads to Dify: to its API, or to where it is, though that be down.

    Raises:
        Silent: nothing answers.
    """
    portal = site.environment.portal
    host, port = _place(site, portal.https_port if portal.tls else portal.http_port)
    connection = http.client.HTTPConnection(host, port, timeout=WITHIN_S)
    try:
        if portal.tls:
            plain = socket.create_connection((host, port), timeout=WITHIN_S)
            connection.sock = _unverified().wrap_socket(plain, server_hostname=portal.domain)
        connection.request("GET", MARK, headers={"Host": portal.domain})
        answer = connection.getresponse()
        body = answer.read(100_000)
    except (OSError, http.client.HTTPException) as error:
        raise Silent(f"{portal.domain} at {host}:{port}: {error}") from None
    finally:
        connection.close()
    return answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or _is_of_dify(body)


def _is_of_dify(body: bytes) -> bool:
    try:
        return "step" in json.loads(body)
    except (ValueError, TypeError):
        return False


def _fault(site: Site, trust: ssl.SSLContext) -> str:
    portal = site.environment.portal
    host, port = _place(site, portal.https_port)
    try:
        with (
            socket.create_connection((host, port), timeout=WITHIN_S) as plain,
            trust.wrap_socket(plain, server_hostname=portal.domain),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        raise Silent(f"{host}:{port}: {error}") from None


def _trusts(site: Site) -> list[ssl.SSLContext]:
    """Pigsty's own authority, and for a public domain whoever the system trusts."""
    found = tree(site)
    own = site.admin.read(found.home / AUTHORITY) if found else None
    public = [ssl.create_default_context()] if site.environment.pigsty.certbot or not own else []
    return [*([ssl.create_default_context(cadata=own.decode())] if own else []), *public]


def _unverified() -> ssl.SSLContext:
    """For the question who serves, which the certificate does not decide."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _place(site: Site, port: int) -> tuple[str, int]:
    return site.admin.reach(site.environment.pigsty.admin_ip, port)
