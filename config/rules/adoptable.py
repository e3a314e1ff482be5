"""A Dify as an adoption finds it, and the buckets that it or the environment has."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


# Of Dify's stores of vectors the one that can be its own database.
OWN = "pgvector"


@dataclass(frozen=True, slots=True)
class Vectors:
    """Where the vectors of a Dify are, and what it takes to move them into its own database.

    `bases`: store → knowledge bases whose vectors are there, by what each says of itself;
    `annotated`: apps with annotation replies, whose vectors are in the store `replies`. `texts`:
    how many are to be moved, `unkept` those of them whose embedding Dify's database does not keep,
    so that a model has to be asked. `left`: what Dify's own command does not move, and how many.
    """

    bases: Mapping[str, int]
    annotated: int = 0
    replies: str = OWN
    texts: int = 0
    unkept: int = 0
    left: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def elsewhere(self) -> dict[str, int]:
        """Store → knowledge bases, of the stores that are none of PostgreSQL."""
        return {store: count for store, count in self.bases.items() if store != OWN}

    @property
    def apps(self) -> int:
        """Apps with annotation replies whose vectors are in such a store."""
        return self.annotated if self.replies != OWN else 0

    @property
    def move(self) -> bool:
        """Whether some are in a store that the environment does not have."""
        return bool(self.elsewhere or self.apps)

    def __str__(self) -> str:
        """Whose vectors are to be moved, and from where."""
        bases = [f"{sum(self.elsewhere.values())} knowledge bases"] if self.elsewhere else []
        apps = [f"{self.apps} apps with annotation replies"] if self.apps else []
        stores = [*self.elsewhere, *([self.replies or "no store"] if self.apps else [])]
        return f"{' and '.join([*bases, *apps])} in {', '.join(sorted(set(stores)))}"


@dataclass(frozen=True, slots=True)
class Found:
    """A Dify as it was found, and the environment that is to take it over.

    `known`: whether its version has a file in config/releases. `storage`: where its uploads are,
    `store`: in which bucket, None if in none, `inside`: which container of it has that; `here`:
    the environment's own. `closed`: why the environment does not get at it. `packages`: the folder
    with packages of plugins where they are in no bucket, empty if there are none. `shared`: keys
    of the environment that name a place of this Dify. `unmounted`: state that no folder of the
    machine has. `plugins`: SQL that makes its database of plugins, empty where it has one.
    `beside`: whether pgvector is its own database. `re_embed`: whether models of its workspaces
    may be asked for embeddings. `account`, `password`: whether the environment's administrator is
    an account of it, with the environment's password. `served`: files of the portal by which the
    domain leads to somebody else, `namesake` the one that this environment would write.
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
    vectors: Vectors
    beside: bool
    re_embed: bool
    email: str
    account: bool
    password: bool
    served: tuple[str, ...] = ()
    namesake: str = ""
