"""What a certificate is for, and what is wrong with it."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


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
