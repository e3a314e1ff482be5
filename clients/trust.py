"""TLS for a client that several threads share, and whether a server speaks it at all."""

import socket
import ssl

_GREETING_S = 5.0


def trust(authority: str = "") -> ssl.SSLContext:
    """Trusts this authority (PEM) alone, without one whoever the system trusts."""
    context = _Shared(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(cadata=authority)
    else:
        context.load_default_certs()
    ssl.SSLContext.set_alpn_protocols(context, ["http/1.1"])
    return context


def greets_with_tls(host: str, port: int) -> bool:
    """Whether the server there begins to speak TLS; its certificate may be anybody's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=_GREETING_S) as plain:
            context.wrap_socket(plain).close()
    except ssl.SSLError as error:
        # A TLS alert, such as the demand for a client certificate, proves that it speaks TLS.
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True


class _Shared(ssl.SSLContext):
    """Speaks HTTP/1.1, whatever is asked for later.

    httpcore asks before each connection. OpenSSL then frees what another thread may be just about
    to greet with, and the server cannot decode that greeting: once in some thousand connections.
    """

    def set_alpn_protocols(self, alpn_protocols: object) -> None:
        return
