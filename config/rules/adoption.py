"""What stands in the way of taking over somebody else's Dify, and how long it is away."""

from dataclasses import dataclass

from config.rules.upgrade import Obstacle

# As measured on two cores: saved, read back and loaded; a differential copy of files, and a start.
DATABASE_BYTES_PER_S, FILES_BYTES_PER_S, START_S = 8e6, 100e6, 60


@dataclass(frozen=True, slots=True)
class Found:
    """A Dify as it was found, and the environment that is to take it over.

    `known`: whether its version has a file in config/releases. `storage`: where its uploads are,
    `bucket`: whether the environment has its own in one. `shared`: keys of the environment that
    name a place of this Dify. `unmounted`: state that no folder of the machine has. `plugins`: SQL
    that makes its database of plugins, empty where it has one.
    `vectors`: knowledge bases that have some, `beside`: in its own database. `account`, `password`:
    whether the environment's administrator is an account of it, with the environment's password.
    """

    environment: str
    project: str
    version: str
    release: str
    known: bool
    storage: str
    bucket: bool
    plugins: str
    shared: tuple[str, ...]
    unmounted: tuple[str, ...]
    vector_store: str
    beside: bool
    vectors: int
    email: str
    account: bool
    password: bool


def obstacles(found: Found) -> list[Obstacle]:
    """Everything that a person has to settle before this Dify can be taken over."""
    asked = (_version, _shared, _storage, _bucket, _plugins, _unmounted, _vectors, _account)
    return [each for each in (ask(found) for ask in asked) if each]


def stopped(project: str, services: list[str]) -> Obstacle | None:
    """A Dify whose state cannot be asked cannot be taken over."""
    if not services:
        return None
    return Obstacle(
        f"{', '.join(services)} of the compose project {project} do not run, so its state cannot "
        "be asked",
        "start it as it ran, and adopt again",
    )


def away_s(database: int, files: int) -> int:
    """Seconds nobody can use Dify, for so many bytes."""
    return round(START_S + database / DATABASE_BYTES_PER_S + files / FILES_BYTES_PER_S)


def _version(found: Found) -> Obstacle | None:
    if found.version == found.release:
        return None
    file = f"config/environments/{found.environment}.toml"
    draft = f"write its file: rollout release draft {found.version} --source FOLDER; then "
    return Obstacle(
        f"Dify {found.version or 'of an unknown version'} runs, and dify.release of "
        f"{found.environment} is {found.release}; an adoption never changes the version",
        ("" if found.known else draft)
        + f"set dify.release in {file} to {found.version or 'it'}; upgrade afterwards",
    )


def _shared(found: Found) -> Obstacle | None:
    if not found.shared:
        return None
    return Obstacle(
        f"{', '.join(found.shared)} of {found.environment} name places of this very Dify, which "
        "stay as they are",
        f"set them in config/environments/{found.environment}.toml to others",
    )


def _storage(found: Found) -> Obstacle | None:
    if found.storage in ("", "local", "opendal"):
        return None
    return Obstacle(
        f"its uploads are in a bucket (STORAGE_TYPE {found.storage}), which is not taken over yet",
        "copy the bucket into a folder by its own tools and let that Dify use it, or deploy "
        "beside it and move apps by Dify's export",
    )


def _bucket(found: Found) -> Obstacle | None:
    if not found.bucket:
        return None
    return Obstacle(
        f"its uploads are in a folder, and storage.kind of {found.environment} is 's3'",
        "set it to 'local' for the adoption",
    )


def _plugins(found: Found) -> Obstacle | None:
    """Before 1.0 there were no plugins; an empty database is what such a Dify has of them."""
    if not found.plugins:
        return None
    return Obstacle("it has no database of plugins", f"as administrator there: {found.plugins}")


def _unmounted(found: Found) -> Obstacle | None:
    if not found.unmounted:
        return None
    return Obstacle(
        f"{', '.join(found.unmounted)} of it lies in no folder of this machine",
        "mount it into the containers from a folder or a volume",
    )


def _vectors(found: Found) -> Obstacle | None:
    if not found.vectors or (found.vector_store == "pgvector" and found.beside):
        return None
    where = "another database" if found.vector_store == "pgvector" else found.vector_store
    return Obstacle(
        f"{found.vectors} knowledge bases have their vectors in {where or 'no store'}, and here "
        "they are in Dify's own database",
        "move them while it runs: set VECTOR_STORE=pgvector and PGVECTOR_* to its own database in "
        "its .env, start it with that, then: docker compose --project-name "
        f"{found.project} exec api flask vdb-migrate; or delete these knowledge bases and upload "
        "their documents again afterwards",
    )


def _account(found: Found) -> Obstacle | None:
    name, email = found.environment, found.email
    if not found.account:
        return Obstacle(
            f"it has no account {email}, which is dify.admin_email of {name}",
            "set that key to one of its administrators",
        )
    if not found.password:
        return Obstacle(
            f"the secret admin_password of {name} is not the password of {email}, and the checks "
            "log in with it",
            f"rollout secrets {name} admin_password --set",
        )
    return None
