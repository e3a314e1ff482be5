"""The sandbox's own certificate authority and the portal's certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from clients.files import File
from clients.node import Node
from tasks.core.step import Change, Kind
from tasks.tools.certificate import names

CA_DAYS = 3650
SERVER_DAYS = 397  # browsers take no longer one
RENEW_DAYS = 30
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the four files are, below the sandbox's home."""

    ca: Path
    ca_key: Path
    certificate: Path
    key: Path

    @classmethod
    def below(cls, home: Path) -> "Paths":
        folder = home / "ca"
        names = ("ca.crt", "ca.key", "portal.crt", "portal.key")
        return cls(*(folder / name for name in names))


@dataclass(frozen=True, slots=True)
class Faults:
    """Why each certificate has to be made; empty text: it is good."""

    ca: str
    server: str


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA made once, and a certificate for the domain renewed `RENEW_DAYS` before its end."""

    node: Node
    paths: Paths
    domain: str
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> Faults:
        now = datetime.now(UTC)
        ca = _pair(self.node, self.paths.ca, self.paths.ca_key)
        server = _pair(self.node, self.paths.certificate, self.paths.key)
        fault = _fault(ca, now)
        if fault or ca is None:
            return Faults(fault, "its CA is new")
        return Faults("", _fault(server, now) or _unfit(server, ca, self.domain))

    def plan(self, actual: Faults) -> Sequence[Change]:
        changes: list[Change] = []
        if actual.ca:
            changes.append(
                Change(
                    Kind.MAKE, "CA", "create the sandbox's CA", actual.ca, str(self.paths.ca), "ca"
                )
            )
        if actual.server:
            what = f"issue the certificate of {self.domain}"
            changes.append(
                Change(
                    Kind.MAKE,
                    f"certificate of {self.domain}",
                    what,
                    actual.server,
                    str(self.paths.certificate),
                    "server",
                )
            )
        return changes

    def apply(self, change: Change) -> None:
        if change.action == "ca":
            certificate, key = _new_ca()
            self._write(self.paths.ca, self.paths.ca_key, certificate, key)
            return
        ca = _pair(self.node, self.paths.ca, self.paths.ca_key)
        if ca is None:
            raise FileNotFoundError(self.paths.ca)
        certificate, key = _new_server(ca, self.domain)
        self._write(self.paths.certificate, self.paths.key, certificate, key)

    def _write(
        self, path: Path, key_path: Path, certificate: x509.Certificate, key: "_Key"
    ) -> None:
        """The key first: a certificate without its key is seen as a fault, and made again."""
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.node.write(File(key_path, secret, 0o600, keep_previous=False))
        public = certificate.public_bytes(serialization.Encoding.PEM)
        self.node.write(File(path, public, 0o644, keep_previous=False))


_Key = ec.EllipticCurvePrivateKey
_Pair = tuple[x509.Certificate, _Key]


def _pair(node: Node, path: Path, key_path: Path) -> _Pair | None:
    """A certificate with its key, None if one is missing, unreadable or not the other's."""
    certificate, key = node.read(path), node.read(key_path)
    if certificate is None or key is None:
        return None
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, None)
    except ValueError:
        return None
    if not isinstance(private, _Key) or parsed.public_key() != private.public_key():
        return None
    return parsed, private


def _fault(pair: _Pair | None, now: datetime) -> str:
    if pair is None:
        return "absent"
    ends = pair[0].not_valid_after_utc
    return f"ends on {ends:%Y-%m-%d}" if ends < now + timedelta(days=RENEW_DAYS) else ""


def _unfit(server: _Pair | None, ca: _Pair, domain: str) -> str:
    if server is None:
        return "absent"
    try:
        server[0].verify_directly_issued_by(ca[0])
    except (ValueError, TypeError, InvalidSignature):
        return "signed by another CA"
    known = names(server[0].public_bytes(serialization.Encoding.PEM)) or []
    return "" if domain in known else f"for {', '.join(known)}"


def _new_ca() -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dify-rollout sandbox CA")])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, name, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _new_server(ca: _Pair, domain: str) -> _Pair:
    issuer, issuer_key = ca
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain[:64])])
    served = [_name(each) for each in dict.fromkeys((domain, "localhost"))]
    certificate = (
        _builder(subject, issuer.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(served), critical=False)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def _name(text: str) -> x509.GeneralName:
    """As a certificate has it; no client takes an address that is written as a name."""
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=days) - _SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
