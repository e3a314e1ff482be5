"""A Dify as an adoption finds it, and the buckets that it or the environment has."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Store:
    """Buckets of an S3 service: the one of uploads, and the one of plugins, empty if none is.

    `endpoint` is empty for AWS, where the region says which service it is.
    """

    endpoint: str
    region: str
    bucket: str
    plugins: str
    style: str

    def is_that_of(self, other: "Store") -> bool:
        """Whether all that the other one has is here."""
        service = self.endpoint or self.region, other.endpoint or other.region
        return (
            service[0].rstrip("/") == service[1].rstrip("/")
            and self.bucket == other.bucket
            and other.plugins in ("", self.plugins)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A Dify as it was found, and the environment that is to take it over.

    `known`: whether its version has a file in config/releases. `storage`: where its uploads are,
    `store`: in which bucket, None if in none, `inside`: which container of it has that; `here`:
    the environment's own. `closed`: why the environment does not get at it. `packages`: the folder
    with packages of plugins where they are in no bucket, empty if there are none. `shared`: keys
    of the environment that name a place of this Dify. `unmounted`: state that no folder of the
    machine has. `plugins`: SQL that makes its database of plugins, empty where it has one.
    `vectors`: store → knowledge bases whose vectors are there, by what each says of itself;
    `annotated`: apps with annotation replies, whose vectors are in `vector_store`. `beside`:
    whether pgvector is its own database. `account`, `password`: whether the environment's
    administrator is an account of it, with the environment's password. `served`: files of the
    portal by which the domain leads to somebody else, `namesake` the one that this environment
    would write.
    """

    environment: str
    project: str
    version: str
    release: str
    known: bool
    storage: str
    store: Store | None
    inside: str
    here: Store | None
    closed: str
    packages: str
    plugins: str
    shared: tuple[str, ...]
    unmounted: tuple[str, ...]
    vector_store: str
    beside: bool
    vectors: Mapping[str, int]
    annotated: int
    email: str
    account: bool
    password: bool
    served: tuple[str, ...] = ()
    namesake: str = ""
