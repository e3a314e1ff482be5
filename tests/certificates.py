"""Certificates that somebody else's authority has signed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Signed:
    """A certificate with its private key."""

    certificate: x509.Certificate
    private: KEY

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key(self, passphrase: bytes = b"") -> bytes:
        plain = serialization.NoEncryption()
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase) if passphrase else plain,
        )


def sign(
    subject: str,
    by: Signed | None = None,
    *domains: str,
    days: int = 30,
    purpose: x509.ObjectIdentifier | None = None,
) -> Signed:
    """Without `by` an authority signs itself; with domains, or addresses, a server's."""
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not domains, path_length=None), critical=True)
    )
    if domains:
        served = x509.SubjectAlternativeName(list(map(_name, domains)))
        builder = builder.add_extension(served, critical=False)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return Signed(builder.sign(by.private if by else private, hashes.SHA256()), private)


def _name(domain: str) -> x509.GeneralName:
    if domain[-1].isdigit():
        return x509.IPAddress(ip_address(domain))
    return x509.DNSName(domain)
