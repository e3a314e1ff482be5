import ssl
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from clients.node import LocalNode
from tasks.core.step import converge
from tasks.platforms.sandbox import authority
from tasks.platforms.sandbox.authority import Authority, Paths

DOMAIN = "dify.test"


def step(home: Path, domain: str = DOMAIN) -> Authority:
    return Authority(LocalNode(), Paths.below(home), domain)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (home / "ca").iterdir()}


def handshake(home: Path, domain: str) -> None:
    """A client that trusts the CA only, talking to a server with the certificate."""
    paths = Paths.below(home)
    client = ssl.create_default_context(cafile=str(paths.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(paths.certificate, paths.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=domain)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version()


def test_made_once_then_left_alone(tmp_path):
    assert [c.what for c in converge(step(tmp_path)).changes] == [
        "create the sandbox's CA",
        "issue the certificate of dify.test",
    ]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "ca").iterdir()}
    assert converge(step(tmp_path)).changes == ()
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "ca").iterdir()} == before


def test_a_strict_client_accepts_it_for_the_domain_and_localhost_only(tmp_path):
    converge(step(tmp_path))
    handshake(tmp_path, DOMAIN)
    handshake(tmp_path, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "other.test")


def test_keys_are_the_owners_alone(tmp_path):
    converge(step(tmp_path))
    paths = Paths.below(tmp_path)
    assert {p.stat().st_mode & 0o777 for p in (paths.ca_key, paths.key)} == {0o600}


def test_no_browser_refuses_its_length(tmp_path):
    converge(step(tmp_path))
    server = certificate(Paths.below(tmp_path).certificate)
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=397)


def test_another_domain_gets_another_certificate_of_the_same_ca(tmp_path):
    converge(step(tmp_path))
    before = contents(tmp_path)
    changes = converge(step(tmp_path, "other.test")).changes
    after = contents(tmp_path)
    assert [c.before for c in changes] == ["for dify.test, localhost"]
    assert before["ca.crt"] == after["ca.crt"]
    assert before["ca.key"] == after["ca.key"]
    handshake(tmp_path, "other.test")


@pytest.mark.parametrize(
    ("days_before_end", "changes"), [(31, 0), (29, 1), (-1, 1)], ids=["far", "near", "past"]
)
def test_renewed_before_its_end(tmp_path, monkeypatch, days_before_end, changes):
    converge(step(tmp_path))
    ends = certificate(Paths.below(tmp_path).certificate).not_valid_after_utc
    today = ends - timedelta(days=days_before_end)

    class Clock(datetime):
        @classmethod
        def now(cls, *_):
            return today

    monkeypatch.setattr(authority, "datetime", Clock)
    assert len(step(tmp_path).plan(step(tmp_path).observe())) == changes
    converge(step(tmp_path))
    ends = certificate(Paths.below(tmp_path).certificate).not_valid_after_utc
    assert ends - today > timedelta(days=30)


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "portal.crt", "portal.key"])
@pytest.mark.parametrize("damage", [None, b"", b"-----BEGIN CERTIFICATE-----\nbroken"])
def test_a_damaged_or_missing_file_is_made_again(tmp_path, name, damage):
    """Also what a kill between writing a key and its certificate leaves behind."""
    converge(step(tmp_path))
    path = tmp_path / "ca" / name
    path.unlink() if damage is None else path.write_bytes(damage)
    converge(step(tmp_path))
    handshake(tmp_path, DOMAIN)


def test_a_certificate_of_another_ca_is_replaced(tmp_path):
    converge(step(tmp_path / "a"))
    converge(step(tmp_path / "b"))
    for name in ("portal.crt", "portal.key"):
        (tmp_path / "a/ca" / name).write_bytes((tmp_path / "b/ca" / name).read_bytes())
    assert [c.before for c in converge(step(tmp_path / "a")).changes] == ["signed by another CA"]
    handshake(tmp_path / "a", DOMAIN)


def test_a_dry_run_writes_nothing(tmp_path):
    assert len(converge(step(tmp_path), dry_run=True).changes) == 2
    assert list(tmp_path.iterdir()) == []
