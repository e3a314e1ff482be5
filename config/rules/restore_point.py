"""What a restore point is, and when a new one looks wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

MANIFEST = "/manifest.json"
FORMAT = 1
Reason = Literal["asked", "schedule", "before-restore", "before-upgrade", "before-adoption"]
BEFORE_RESTORE: Reason = "before-restore"
BEFORE_UPGRADE: Reason = "before-upgrade"
BEFORE_ADOPTION: Reason = "before-adoption"
# Databases beside Dify's own: being restored, replaced by a restore, of a drill.
INCOMING, PREVIOUS, DRILL = "_incoming", "_previous", "_drill"
# What stored data was signed or encrypted with, and the account that logs in to it: these
# belong to the data and go where it goes. The other secrets belong to the environment.
DATA_SECRETS = ("secret_key", "admin_password")


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, validate_by_name=True, serialize_by_alias=True)


class Part(Frozen):
    """One snapshot of a point, by the beginning of its id; sizes in bytes.

    `sha256` is of a database's archive, as read back from the repository.
    """

    name: str
    kind: Literal["database", "folders", "listing", "objects"]
    snapshot: str
    path: str
    files: int
    size: int
    added: int
    seconds: float
    sha256: str = ""


class Object(Frozen):
    """An object of a bucket: bytes, when it was stored, its MD5 where S3 knows one (its ETag)."""

    size: int
    modified: str
    md5: str


class Listing(Frozen):
    """Key → object of all that a bucket had."""

    bucket: str
    objects: dict[str, Object]


class Archived(Frozen):
    """Where the archive of a Pigsty cluster was: how the whole cluster gets back to this moment.

    `label`: the newest backup of pgBackRest's. `trouble`: why there is no way back.
    """

    restore_point: str = ""
    lsn: str = ""
    label: str = ""
    trouble: str = ""


class Manifest(Frozen):
    """Everything a point consists of. It is saved last: without it there is no point.

    `folders`: name → absolute path. `rendered`: file of the stack → SHA-256.
    `tenant_keys`: private key of a tenant, below the storage → SHA-256. `queues`: waiting jobs.
    `without_file`: uploads in the database whose file was not found when files were saved.
    `release`, `images` and the schema are of what ran, as engine and database said; `notes` says
    what was not as the files have it, or that nothing ran.
    """

    format: int = FORMAT
    point: str
    environment: str
    created: datetime
    reason: str
    release: str
    admin_email: str
    images: dict[str, str]
    versions: dict[str, str]
    secrets: dict[str, SecretStr]
    rendered: dict[str, str]
    folders: dict[str, str]
    # Called `keys` in the repository alone: Python takes an object with `keys` for a mapping.
    tenant_keys: dict[str, str] = Field(validation_alias="keys", serialization_alias="keys")
    rows: dict[str, int]
    queues: dict[str, int]
    without_file: list[str]
    parts: list[Part]
    archived: Archived | None = None
    notes: list[str] = []

    @field_serializer("secrets", when_used="json")
    def clear(self, values: dict[str, SecretStr]) -> dict[str, str]:
        """Only JSON, which goes into the encrypted repository, holds them in clear."""
        return {name: value.get_secret_value() for name, value in values.items()}

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def has(self, name: str) -> bool:
        return any(part.name == name for part in self.parts)


@dataclass(frozen=True, slots=True)
class Point:
    """A restore point as a list of them shows it. `manifest` is the snapshot that holds it."""

    id: str
    created: datetime
    reason: str
    release: str
    size: int
    added: int
    seconds: float
    manifest: str
    snapshots: tuple[str, ...]

    @property
    def before(self) -> str:
        """The change the point was made before: restore, upgrade or adoption; else empty."""
        return self.reason.removeprefix("before-") if self.reason.startswith("before-") else ""


def shrunk(size: int, before: int, share: float) -> bool:
    """Whether a point of `size` bytes is suspiciously small after one of `before` bytes."""
    return size < before * share


def differs(one: Object, other: Object) -> bool:
    """Whether two objects have another content; without both MD5s their sizes must do."""
    known = bool(one.md5 and other.md5)
    return one.size != other.size or (known and one.md5 != other.md5)


def latest(points: Iterable[Point]) -> Point | None:
    """The newest point, but for those that hold what a restore replaced."""
    own = (point for point in points if point.reason != BEFORE_RESTORE)
    return max(own, key=lambda point: point.created, default=None)
