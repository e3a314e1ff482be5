"""TLS for a client that several threads share."""

import ssl


def trust(authority: str = "") -> ssl.SSLContext:
    """Trusts this authority (PEM) alone, without one whoever the system trusts."""
    context = _Shared(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(cadata=authority)
    else:
        context.load_default_certs()
    ssl.SSLContext.set_alpn_protocols(context, ["http/1.1"])
    return context


class _Shared(ssl.SSLContext):
    """Speaks HTTP/1.1, whatever is asked for later.

    httpcore asks before each connection. OpenSSL then frees what another thread may be just about
    to greet with, and the server cannot decode that greeting: once in some thousand connections.
    """

    def set_alpn_protocols(self, alpn_protocols: object) -> None:
        return
