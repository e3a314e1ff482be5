"""Which secrets an environment needs, how new ones are made, and where two places differ."""

import hashlib
import secrets as random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from config.environment import Environment
from config.release import S3, Release, Secret

POSTGRES_ADMIN = "postgres_admin_password"
# What opens the place of a backup repository, as restic names it: for s3: and rest: repositories.
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "RESTIC_REST_USERNAME",
    "RESTIC_REST_PASSWORD",
)
ALPHABET = {
    "letters": string.ascii_letters + string.digits,
    "base64": string.ascii_letters + string.digits + "+/",
}


def required(environment: Environment, release: Release) -> list[str]:
    """Names of all secrets; those of others' services can only be given by the operator."""
    others = [*(S3 if environment.storage.kind == "s3" else ())]
    if environment.platform.kind == "external" and environment.postgres.admin:
        others.append(POSTGRES_ADMIN)
    return [*release.secrets, *others]


def generate(release: Release, have: Mapping[str, SecretStr]) -> dict[str, SecretStr]:
    """`have` and a new strong secret for each one missing; what is there never changes."""
    made = {name: _make(form) for name, form in release.secrets.items() if name not in have}
    return {**made, **have}


def _make(form: Secret) -> SecretStr:
    """A random text with a letter and a digit: Dify takes no password without both."""
    while True:
        text = _drawn(form)
        if any(c.isalpha() for c in text) and any(c.isdigit() for c in text):
            return SecretStr(text)


def _drawn(form: Secret) -> str:
    if form.bytes:
        return random.token_urlsafe(form.bytes)
    return "".join(random.choice(ALPHABET[form.form]) for _ in range(form.characters))


@dataclass(frozen=True, slots=True)
class Place:
    """One place that has secrets of an environment: its short name, and how people find it."""

    name: str
    where: str
    values: Mapping[str, SecretStr]


def fingerprint(name: str, value: SecretStr) -> str:
    """Six characters that tell two values of a secret apart and help nobody to guess one."""
    made = hashlib.scrypt(value.get_secret_value().encode(), salt=name.encode(), n=2**14, r=8, p=1)
    return made.hex()[:6]


def differences(places: Sequence[Place]) -> dict[str, list[Place]]:
    """Secret → the places that have it, for each one of which they have different values."""
    names = dict.fromkeys(name for place in places for name in place.values)
    holders = {name: [place for place in places if name in place.values] for name in names}
    return {
        name: found
        for name, found in holders.items()
        if len({place.values[name].get_secret_value() for place in found}) > 1
    }
