"""What people had before a restore or an upgrade: keys that decrypt, documents that are found."""

import secrets
from collections.abc import Sequence
from pathlib import Path, PurePath

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from clients import beneath
from clients.dify import Dify
from tasks.core.site import Site
from tasks.points import uploads
from tasks.points.buckets import buckets
from tasks.probes.engine import Wrong
from tasks.steps.pgsql import dify_database

_SHOWN = 3


def storage(site: Site) -> Path | None:
    """The folder of uploads and keys; None where they are in a bucket."""
    state = site.release.state.get("storage")
    return site.environment.dify.data / state.path if state and not buckets(site) else None


def keys(site: Site, storage: Path | None, most: int | None = None) -> str:
    """How many tenants have a private key that fits, of all or the first `most`.

    `storage`: the folder with the private keys; None where they are in a bucket.

    Raises:
        Wrong: what was encrypted for some cannot be decrypted.
    """
    with dify_database(site).connect() as connection:
        tenants = sorted(uploads.public_keys(connection).items())[:most]
    if storage is None:
        return f"{len(tenants)} tenants; their keys are in the bucket"
    wrong = [
        tenant
        for tenant, public in tenants
        if not _decrypts(public, content(site, storage, uploads.private_key(tenant)))
    ]
    if wrong:
        raise Wrong(some("tenants have no key that fits", wrong))
    return f"{len(tenants)} tenants"


def document(site: Site, dify: Dify) -> bool:
    """Whether there is one in a knowledge base that needs no model; a search finds it.

    Raises:
        Wrong: it does not.
    """
    with dify_database(site).connect() as connection:
        known = uploads.segment(connection, site.environment.dify.admin_email)
    if known and not dify.knowledge.retrieve(*known):
        raise Wrong("a search in a knowledge base finds nothing")
    return known is not None


def content(site: Site, storage: Path, path: PurePath | str) -> bytes | None:
    """The file; None if there is none, or a link."""
    done = site.node.attempt(beneath.read(storage, str(path)))
    return done.stdout.encode() if done.status == 0 else None


def some(what: str, names: Sequence[str]) -> str:
    """How many, and the first of them; empty for none."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{more}. "


def _decrypts(public: str, private: bytes | None) -> bool:
    if private is None:
        return False
    try:
        private_key = serialization.load_pem_private_key(private, None)
        public_key = serialization.load_pem_public_key(public.encode())
    except ValueError:
        return False
    if not isinstance(private_key, rsa.RSAPrivateKey):
        return False
    if not isinstance(public_key, rsa.RSAPublicKey):
        return False
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sample = secrets.token_bytes(32)
    try:
        return private_key.decrypt(public_key.encrypt(sample, oaep), oaep) == sample
    except ValueError:
        return False
