"""Dify as people reach it, asked through the domain and the portal."""

import socket
import ssl
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from clients.dify import Dify
from clients.trust import trust
from tasks.core.site import Site
from tasks.probes.engine import Wrong

CONNECT_S = 5
_REDIRECTS = (301, 302, 307, 308)


def open_dify(site: Site) -> Dify:
    """Dify through the domain and the portal, as people reach it."""
    environment = site.environment
    return Dify(
        environment.public_url,
        site.release.api,
        verify=trusted(site),
        resolve=place(site),
        patience=site.within(1),
    )


def place(site: Site, port: int = 0) -> tuple[str, int] | None:
    """Where the portal is, None to ask DNS: neither the sandbox nor Pigsty needs it.

    `port`: of the portal; 0 for the one people open.
    """
    environment = site.environment
    portal = environment.portal
    port = port or (portal.https_port if portal.tls else portal.http_port)
    return site.platform.portal(site, port)


def trusted(site: Site) -> ssl.SSLContext:
    """The platform's own authority alone; whoever the system trusts where it has none."""
    return trust((site.platform.authority(site) or b"").decode())


def days_left(site: Site) -> float:
    """Until the certificate of the domain expires. Raises Wrong if it is not valid now."""
    environment = site.environment
    domain = environment.portal.domain
    host, port = place(site) or (domain, environment.portal.https_port)
    try:
        with (
            socket.create_connection((host, port), timeout=site.within(CONNECT_S)) as plain,
            trusted(site).wrap_socket(plain, server_hostname=domain) as stream,
        ):
            presented = stream.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise Wrong(f"{domain} presents a certificate: {error.verify_message}") from None
    except OSError as error:
        raise Wrong(f"{host}:{port} does not answer: {error.strerror or error}") from None
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(presented["notAfter"])), UTC)
    return (until - datetime.now(UTC)).total_seconds() / 86_400


def redirect(site: Site) -> str:
    environment = site.environment
    portal = environment.portal
    host, port = place(site, portal.http_port) or (portal.domain, portal.http_port)
    asked = f"http://{portal.domain}:{portal.http_port}/"
    connection = HTTPConnection(host, port, timeout=site.within(CONNECT_S))
    try:
        connection.request("GET", "/", headers={"Host": portal.domain})
        answer = connection.getresponse()
    except (OSError, HTTPException) as error:
        raise Wrong(f"{asked}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    target = answer.getheader("location", "")
    wanted = urlsplit(environment.public_url)
    if answer.status not in _REDIRECTS or urlsplit(target)[:2] != wanted[:2]:
        where = f"to {target}" if target else "nowhere"
        raise Wrong(f"{asked}: status {answer.status}, leads {where}")
    return f"to {environment.public_url}"


def api(site: Site, dify: Dify) -> str:
    """Asks for the setup state: unlike /health that needs the database."""
    status = dify.status()
    version = status.version
    if version and version != site.release.version:
        raise Wrong(
            f"it is Dify {version}, expected {site.release.version}",
            f"run: rollout deploy {site.name}",
        )
    return (
        f"Dify {version or 'of unknown version'}, {'set up' if status.set_up else 'not set up yet'}"
    )


def web(dify: Dify) -> str:
    return f"{len(dify.page('/signin'))} characters of /signin"


def websocket(dify: Dify) -> str:
    dify.websocket_id()
    return "/socket.io/ opened by polling"
