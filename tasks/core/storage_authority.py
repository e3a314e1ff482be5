"""The authority that signs for the object store, where the public ones do not."""

from pathlib import Path

from config.desired.storage_trust import is_private
from config.errors import StepError
from tasks.core.site import Site

_BEGIN = "-----BEGIN CERTIFICATE-----"


def storage_authority(site: Site) -> str:
    """Its certificate as PEM: of `storage.ca`, else the platform's own; empty: a public one.

    Raises:
        StepError: `storage.ca` is no certificate.
    """
    storage = site.environment.storage
    if storage.kind != "s3":
        return ""
    if not storage.ca:
        own = site.platform.private_authority(site) if is_private(site.environment) else None
        return (own or b"").decode()
    text = (site.admin.read(Path(storage.ca)) or b"").decode(errors="replace")
    if _BEGIN not in text:
        raise StepError(
            "settings",
            f"storage.ca: {storage.ca} on {site.admin.name} is no certificate",
            advice="name the PEM file of the authority that signs for storage.endpoint",
        )
    return text
