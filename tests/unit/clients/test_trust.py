import ssl
from contextlib import suppress

import pytest

from clients.node import LocalNode
from clients.trust import trust
from tasks.core.step import converge
from tasks.platforms.sandbox.authority import Authority, Paths

DOMAIN = "dify.test"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = Paths.below(tmp_path_factory.mktemp("authority"))
    converge(Authority(LocalNode(), paths, DOMAIN))
    return paths


@pytest.fixture
def server(paths: Paths) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths.certificate, paths.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def greeted(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLObject:
    """The client's end, after the server has read its greeting and answered."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=DOMAIN)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (here, there, here):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return here


def test_it_trusts_the_authority_it_was_given(paths: Paths, server: ssl.SSLContext) -> None:
    assert greeted(trust(paths.ca.read_text()), server).version() == "TLSv1.3"


def test_it_trusts_nobody_the_system_does_not_know(server: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        greeted(trust(), server)


def test_what_it_greets_with_stays_as_it_is(paths: Paths, server: ssl.SSLContext) -> None:
    shared = trust(paths.ca.read_text())
    shared.set_alpn_protocols(["h2"])  # as httpcore does while another thread connects
    assert greeted(shared, server).selected_alpn_protocol() == "http/1.1"
