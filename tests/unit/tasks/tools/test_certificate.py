"""Whether two files of the operator's can serve a domain."""

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tasks.tools.certificate import root, serves, unfit
from tests.certificates import sign

ROOT = sign("root")
MIDDLE = sign("middle", ROOT)
SERVER = sign("server", MIDDLE, "dify.example.com", "www.example.com")
WILDCARD = sign("wildcard", MIDDLE, "*.example.com")
STALE = sign("stale", MIDDLE, "dify.example.com", days=-1)
ENDED = sign("ended", ROOT, days=-1)
BENEATH = sign("beneath", ENDED, "dify.example.com")
OF_CLIENTS = sign("c", MIDDLE, "dify.example.com", purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
OF_SERVERS = sign("s", MIDDLE, "dify.example.com", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
CHAIN = SERVER.pem + MIDDLE.pem
OTHERS = "the certificate is for dify.example.com, www.example.com, not for other.test"


@pytest.mark.parametrize(
    ("text", "key", "domain", "fault"),
    [
        (CHAIN, SERVER.key(), "dify.example.com", ""),
        (CHAIN + ROOT.pem, SERVER.key(), "www.example.com", ""),
        (WILDCARD.pem + MIDDLE.pem, WILDCARD.key(), "dify.example.com", ""),
        (SERVER.pem, SERVER.key(), "dify.example.com", ""),
        (None, None, "dify.example.com", "the certificate is not there"),
        (b"text", SERVER.key(), "dify.example.com", "the certificate is no PEM file of one"),
        (CHAIN, None, "dify.example.com", "the key is not there"),
        (CHAIN, b"text", "dify.example.com", "the key is no PEM file of one"),
        (CHAIN, SERVER.key(b"x"), "dify.example.com", "the key has a passphrase"),
        (CHAIN, WILDCARD.key(), "dify.example.com", "the key is another certificate's"),
        (CHAIN, SERVER.key(), "other.test", OTHERS),
        (WILDCARD.pem, WILDCARD.key(), "a.b.example.com", "the certificate is for *.example.com"),
        (ROOT.pem, ROOT.key(), "dify.example.com", "the certificate is for no name"),
        (STALE.pem, STALE.key(), "dify.example.com", "the certificate is valid from"),
        (SERVER.pem + ROOT.pem, SERVER.key(), "dify.example.com", "CN=server is not signed by"),
        (MIDDLE.pem + SERVER.pem, SERVER.key(), "dify.example.com", "the key is another"),
        (BENEATH.pem + ENDED.pem, BENEATH.key(), "dify.example.com", "CN=ended is valid from"),
        (OF_CLIENTS.pem, OF_CLIENTS.key(), "dify.example.com", "the certificate's purpose"),
        (OF_SERVERS.pem, OF_SERVERS.key(), "dify.example.com", ""),
    ],
    ids=range(19),
)
def test_what_is_wrong_with_them_is_said(
    text: bytes | None, key: bytes | None, domain: str, fault: str
) -> None:
    found = unfit(text, key, domain)
    assert found.startswith(fault) and bool(found) == bool(fault)


@pytest.mark.parametrize(
    ("name", "domain", "is_for"),
    [
        ("dify.test", "dify.test", True),
        ("*.test", "dify.test", False),
        ("*.in.test", "dify.in.test", True),
        ("*.DIFY.test", "a.dify.test", True),
        ("*.test", "test", False),
        ("*", "localhost", False),
        ("10.0.0.1", "10.0.0.1", True),
    ],
)
def test_a_wildcard_stands_for_one_label(name: str, domain: str, is_for: bool) -> None:
    assert serves(name, domain) is is_for


def test_the_root_is_known_where_the_file_has_it() -> None:
    assert root(CHAIN) is None
    assert root(CHAIN + ROOT.pem) == ROOT.pem
