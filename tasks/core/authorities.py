"""The authorities that signed for the object store and for PostgreSQL, where no public one did."""

from pathlib import Path

from clients.authority import NoCertificate, authority
from config.desired import postgres_trust, storage_trust
from config.desired.storage_trust import is_private
from config.errors import StepError
from tasks.core.site import Site


def authorities(site: Site) -> dict[str, str]:
    """Name of the stack's file → certificate as PEM, of those that containers have to trust.

    Raises:
        StepError: a file that was named is no certificate.
    """
    found = {
        storage_trust.NAME: storage_authority(site),
        postgres_trust.NAME: postgres_authority(site),
    }
    return {name: text for name, text in found.items() if text}


def storage_authority(site: Site) -> str:
    """Of `storage.ca`, else the platform's own; empty: a public one. Raises as `authorities`."""
    storage = site.environment.storage
    if storage.kind != "s3":
        return ""
    if not storage.ca:
        own = site.platform.private_authority(site) if is_private(site.environment) else None
        return (own or b"").decode()
    return _read(site, "storage.ca", storage.ca, "storage.endpoint")


def postgres_authority(site: Site) -> str:
    """Of `postgres.ca`; empty: the certificate is not looked at. Raises as `authorities`."""
    path = site.environment.postgres.ca
    return _read(site, "postgres.ca", path, "postgres.host") if path else ""


def _read(site: Site, key: str, path: str, signed: str) -> str:
    """Read once in a run: each login needs it, and the admin node may be far away."""
    known, file = site.authorities, Path(path)
    try:
        return known.get(file) or known.setdefault(file, authority(site.admin, file, key, signed))
    except NoCertificate as error:
        raise StepError("settings", str(error), advice=error.advice) from None
