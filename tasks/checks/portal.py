"""Dify as people reach it: through the domain and the portal."""

import socket
import ssl
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from blocks.dify import Dify
from config.desired.services import active
from config.environment import Environment
from tasks.checks.probe import Probe, Wrong
from tasks.site import Site

CERTIFICATE = "certificate is valid"
API = "API answers through the domain"
LOOPBACK = "127.0.0.1"
_CONNECT_S = 5
_REDIRECTS = (301, 302, 307, 308)


def probes(site: Site, dify: Dify) -> list[Probe]:
    """The certificate, the way from http, and each service with a route of its own."""
    environment = site.environment
    found: list[Probe] = []
    if environment.portal.tls:
        ask = partial(certificate, environment)
        found.append(Probe(CERTIFICATE, ask, advice="look at the portal's step of the deploy"))
        found.append(Probe("http leads to https", partial(redirect, environment)))
    roots = (CERTIFICATE,) if environment.portal.tls else ()
    found.append(
        Probe(API, partial(api, site, dify), roots, within_s=20, advice="docker logs of api, nginx")
    )
    found.append(Probe("web answers through the domain", partial(web, dify), roots, within_s=20))
    if "api_websocket" in active(environment, site.release):
        ask = partial(websocket, dify)
        found.append(Probe("websocket answers through the domain", ask, roots, within_s=20))
    return found


def address(environment: Environment) -> str | None:
    """Where the domain is, None to ask DNS: the sandbox needs none."""
    return LOOPBACK if environment.platform.kind == "sandbox" else None


def trust(environment: Environment) -> ssl.SSLContext:
    """Whoever the system trusts, and in the sandbox its own authority alone."""
    own: Path = environment.sandbox.home / "ca" / "ca.crt"
    if environment.platform.kind == "sandbox" and own.exists():
        return ssl.create_default_context(cafile=str(own))
    return ssl.create_default_context()


def certificate(environment: Environment) -> str:
    domain, port = environment.portal.domain, environment.portal.https_port
    host = address(environment) or domain
    try:
        with (
            socket.create_connection((host, port), timeout=_CONNECT_S) as plain,
            trust(environment).wrap_socket(plain, server_hostname=domain) as stream,
        ):
            presented = stream.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise Wrong(f"{domain} presents a certificate: {error.verify_message}") from None
    except OSError as error:
        raise Wrong(f"{host}:{port} does not answer: {error.strerror or error}") from None
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(presented["notAfter"])), UTC)
    return f"for {domain}, {(until - datetime.now(UTC)).days} days left"


def redirect(environment: Environment) -> str:
    portal = environment.portal
    host = address(environment) or portal.domain
    asked = f"http://{portal.domain}:{portal.http_port}/"
    connection = HTTPConnection(host, portal.http_port, timeout=_CONNECT_S)
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
