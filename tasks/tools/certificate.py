"""What a certificate is for, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def fault(text: bytes | None, domain: str, days: int) -> str:
    """Why it is none for the domain for that many days more; empty: it is."""
    if text is None:
        return "absent"
    known = names(text)
    if known is None:
        return "not a certificate for servers"
    if domain not in known:
        return f"for {', '.join(known)}"
    ends = x509.load_pem_x509_certificate(text).not_valid_after_utc
    return f"ends on {ends:%Y-%m-%d}" if ends < datetime.now(UTC) + timedelta(days) else ""


def serves(name: str, domain: str) -> bool:
    """Whether a certificate for the name, a wildcard may be, is one for the domain.

    No client takes a wildcard of all domains beneath the last label.
    """
    parent = domain.partition(".")[2]
    return name.lower() == domain or ("." in parent and name.lower() == f"*.{parent}")


def unfit(text: bytes | None, key: bytes | None, domain: str) -> str:
    """Why these two files (PEM) cannot serve the domain; empty: they can."""
    try:
        chain = x509.load_pem_x509_certificates(text or b"")
    except ValueError:
        return "the certificate is no PEM file of one" if text else "the certificate is not there"
    return next(_faults(chain, key, domain), "")


def root(text: bytes) -> bytes | None:
    """The chain's own root (PEM) where it has one: an authority that need not be public."""
    last = x509.load_pem_x509_certificates(text)[-1]
    return last.public_bytes(Encoding.PEM) if last.issuer == last.subject else None


def _faults(chain: Sequence[x509.Certificate], key: bytes | None, domain: str) -> Iterator[str]:
    server, now = chain[0], datetime.now(UTC)
    yield from _key_faults(server, key)
    known = names(server.public_bytes(Encoding.PEM)) or []
    if not any(serves(name, domain) for name in known):
        yield f"the certificate is for {', '.join(known) or 'no name'}, not for {domain}"
    if not _is_for_servers(server):
        yield "the certificate's purpose (extendedKeyUsage) is not that of servers"
    for each in chain:
        since, until = each.not_valid_before_utc, each.not_valid_after_utc
        if not since <= now < until:
            who = "the certificate" if each is server else each.subject.rfc4514_string()
            yield f"{who} is valid from {since:%Y-%m-%d} to {until:%Y-%m-%d}"
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            by = f"{issuer.subject.rfc4514_string()}, which follows it in the file"
            yield f"{one.subject.rfc4514_string()} is not signed by {by}"


def _is_for_servers(server: x509.Certificate) -> bool:
    """Whether it says so, or does not say what it is for."""
    try:
        purposes = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in purposes or _ANY in purposes


def _key_faults(server: x509.Certificate, key: bytes | None) -> Iterator[str]:
    if key is None:
        yield "the key is not there"
        return
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        yield "the key has a passphrase, for which nginx would ask"
        return
    except ValueError:
        yield "the key is no PEM file of one"
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != server.public_key().public_bytes(*form):
        yield "the key is another certificate's"


def names(text: bytes | None) -> list[str] | None:
    """The names and addresses a certificate is for; None: it is none for servers."""
    try:
        extensions = x509.load_pem_x509_certificate(text or b"").extensions
        known = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    addresses = known.get_values_for_type(x509.IPAddress)
    return [*known.get_values_for_type(x509.DNSName), *map(str, addresses)]


def first(text: bytes) -> bytes:
    """The server's own certificate of a chain, as it is presented: without the text around it."""
    return x509.load_pem_x509_certificate(text).public_bytes(Encoding.DER)
