"""What stands in the way of taking over somebody else's Dify, and how long it is away."""

from config.rules import adoption_files as files
from config.rules.adoptable import OWN, Found
from config.rules.upgrade import Obstacle

# As measured on two cores: saved, read back and loaded; a differential copy of files, and a start;
# texts whose embedding is kept, moved by Dify's own command.
DATABASE_BYTES_PER_S, FILES_BYTES_PER_S, START_S, TEXTS_PER_S = 8e6, 100e6, 60, 400


def obstacles(found: Found) -> list[Obstacle]:
    """Everything that a person has to settle before this Dify can be taken over."""
    asked = (
        _version, _shared, _plugins, _unmounted, _unkept, _tables, _account, _served, _namesake,
    )  # fmt: skip
    first = [each for each in (ask(found) for ask in asked) if each]
    return [*first, *files.obstacles(found)]


def stopped(project: str, services: list[str]) -> Obstacle | None:
    """A Dify whose state cannot be asked cannot be taken over."""
    if not services:
        return None
    return Obstacle(
        f"{', '.join(services)} of the compose project {project} do not run, so its state cannot "
        "be asked",
        "start it as it ran, and adopt again",
    )


def away_s(database: int, files: int, texts: int = 0) -> int:
    """Seconds nobody can use Dify, for so many bytes, and texts whose vectors are moved."""
    copied_s = database / DATABASE_BYTES_PER_S + files / FILES_BYTES_PER_S
    return round(START_S + copied_s + texts / TEXTS_PER_S)


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


def _unkept(found: Found) -> Obstacle | None:
    """Nobody else's model is asked, which may cost tokens and hours, unless somebody said so."""
    vectors = found.vectors
    if found.re_embed or not (vectors.move and vectors.unkept):
        return None
    return Obstacle(
        f"vectors of {vectors} move into Dify's own database, and for {vectors.unkept} of "
        f"{vectors.texts} texts it keeps no embedding: models of their workspaces would embed them",
        "allow it, which may take hours and cost tokens: --re-embed; or delete what has them, and "
        "upload it again afterwards",
    )


def _tables(found: Found) -> Obstacle | None:
    """Dify's own command leaves alone what is in pgvector already."""
    vectors = found.vectors
    count = vectors.bases.get(OWN, 0) + (vectors.annotated if vectors.replies == OWN else 0)
    if found.beside or not count:
        return None
    return Obstacle(
        "its vectors are in another database than Dify's own, where they are here",
        "stop it, copy the tables embedding_* of that database into its own (pg_dump --no-owner "
        "--table='embedding_*' there, psql here, as Dify's role), set PGVECTOR_* in its .env to "
        "its own, and start it",
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


def _served(found: Found) -> Obstacle | None:
    if not found.served:
        return None
    return Obstacle(
        f"{', '.join(found.served)} of the portal has portal.domain of {found.environment}, and "
        "leads to something else than this Dify",
        f"set portal.domain in config/environments/{found.environment}.toml to another one",
    )


def _namesake(found: Found) -> Obstacle | None:
    if not found.namesake:
        return None
    return Obstacle(
        f"{found.namesake} of the portal leads to it, and would be overwritten by the file of that "
        f"name that {found.environment} has",
        f"set dify.project in config/environments/{found.environment}.toml to another name",
    )
