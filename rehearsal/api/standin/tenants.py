"""A tenant has a key pair: the public key in PostgreSQL, the private one in storage."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from standin import storage
from standin.state import Cursor


def create(cursor: Cursor, name: str, owner: str) -> None:
    """Leaves nothing behind, when rolled back, but the key file."""
    cursor.execute("INSERT INTO tenants (name) VALUES (%s) RETURNING id", (name,))
    tenant = cursor.fetchone()["id"]
    cursor.execute(
        "UPDATE tenants SET encrypt_public_key = %s WHERE id = %s", (_key_pair(tenant), tenant)
    )
    cursor.execute(
        "INSERT INTO tenant_account_joins (tenant_id, account_id) VALUES (%s, %s)", (tenant, owner)
    )


def _key_pair(tenant: str) -> str:
    """The public key; the private one is stored."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    storage.write(f"privkeys/{tenant}/private.pem", private)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()
