"""The authorities that signed for the object store and for PostgreSQL, where no public one did."""

from pathlib import Path

from config.desired import postgres_trust, storage_trust
from config.desired.storage_trust import is_private
from config.errors import StepError
from tasks.core.site import Site

_BEGIN = "-----BEGIN CERTIFICATE-----"


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
    text = (site.admin.read(Path(path)) or b"").decode(errors="replace")
    if _BEGIN not in text:
        raise StepError(
            "settings",
            f"{key}: {path} on {site.admin.name} is no certificate",
            advice=f"name the PEM file of the authority that signs for {signed}",
        )
    return text
