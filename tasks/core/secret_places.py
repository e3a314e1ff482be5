"""Where secrets of an environment are kept: one place counts, the others are compared with it.

With a Prefect server its block counts, without one the file beside the stack. The stack's `.env`
has a copy of most: what its containers run with.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from blocks import secrets as blocks
from blocks.prefect_api import configured, server_url
from clients.node import Node
from config.desired import env_file
from config.environment import Environment
from config.errors import StepError
from config.release import Release
from config.secrets import Place, differences, fingerprint
from tasks.core import secret_file

BLOCK, FILE, STACK = "block", "file", "stack"
Secrets = Mapping[str, SecretStr]


@dataclass(frozen=True, slots=True)
class Known:
    """What each place has. `replaces`: name → fingerprint of the stack's value that may change."""

    saved: Place
    others: tuple[Place, ...]
    replaces: Mapping[str, str]

    @property
    def values(self) -> dict[str, SecretStr]:
        """Of each secret the value that counts."""
        found: dict[str, SecretStr] = {}
        for place in (*reversed(self.others), self.saved):
            found |= place.values
        return found

    def place(self, name: str) -> Place:
        return next(each for each in (self.saved, *self.others) if each.name == name)

    @property
    def stack(self) -> Secrets:
        found = [each.values for each in self.others if each.name == STACK]
        return found[0] if found else {}

    def undecided(self, given: Secrets) -> dict[str, list[Place]]:
        """Secret → its places, for each that has two values none of which anybody chose."""
        found = differences((self.saved, *self.others))
        return {
            name: places
            for name, places in found.items()
            if name not in given and not self._decided(name, places)
        }

    def _decided(self, name: str, places: list[Place]) -> bool:
        """Whether only the stack differs, by a value that somebody decided to replace."""
        if name not in self.stack or self.replaces.get(name) is None:
            return False
        others = [place for place in places if place.name != STACK]
        known = fingerprint(name, self.stack[name]) == self.replaces[name]
        return known and not differences(others)


def look(environment: Environment, release: Release, node: Node) -> Known:
    """What every place has.

    Raises:
        StepError: a file of the stack cannot be understood.
    """
    env, file = environment.dify.home / ".env", secret_file.path(environment)
    found = node.look([env, file])
    stack, kept = found[env], found[file]
    in_stack = adopt(release, env_file.parse(_text(env, stack.content if stack else None)))
    in_file = secret_file.parse(environment, kept.content if kept else None)
    others = (Place(FILE, str(file), in_file.values), Place(STACK, str(env), in_stack))
    if not configured():
        return Known(others[0], others[1:], in_file.replaces)
    return saved_alone(environment, others)


def saved_alone(environment: Environment, others: tuple[Place, ...] = ()) -> Known:
    """What the block has, for an environment whose machine cannot be asked."""
    if not configured():
        return Known(Place(FILE, str(secret_file.path(environment)), {}), others, {})
    block = blocks.load(environment.name)
    where = f"dify-secrets/{blocks.block_name(environment.name)} on {server_url()}"
    return Known(Place(BLOCK, where, block.values), others, block.replaces)


def require_same(environment: Environment, known: Known, given: Secrets) -> None:
    """Raises StepError where two places have different values of a secret."""
    found = known.undecided(given)
    if not found:
        return
    places = dict.fromkeys(place.name for held in found.values() for place in held)
    each = [
        f"{name}: " + ", ".join(_shown(name, place) for place in held)
        for name, held in found.items()
    ]
    raise StepError(
        "secrets",
        f"{environment.name} has more than one value of {', '.join(found)}; fingerprints:\n    "
        + "\n    ".join(each),
        advice=f"say whose value is right, with PLACE one of {', '.join(places)}: "
        f"rollout secrets {environment.name} --keep PLACE",
    )


def save(environment: Environment, node: Node, known: Known, values: Secrets) -> None:
    """Keep these where secrets are saved; the file has only what the stack does not."""
    if known.saved.name == BLOCK:
        blocks.save(environment.name, values, known.replaces)
        return
    new = {name: value for name, value in values.items() if name not in known.stack}
    secret_file.update(environment, node, values={**known.saved.values, **new})


def decide(environment: Environment, release: Release, node: Node, values: Secrets) -> None:
    """Somebody chose these values: they count, wherever another one is."""
    known = look(environment, release, node)
    changed = {
        name: fingerprint(name, known.stack[name])
        for name, value in values.items()
        if known.stack.get(name, value) != value
    }
    replaces = {**known.replaces, **changed}
    kept = {**known.saved.values, **values}
    if known.saved.name == FILE:
        secret_file.update(environment, node, values=kept, replaces=replaces)
        return
    blocks.save(environment.name, kept, replaces)
    copies = known.place(FILE).values
    if changed := {name: value for name, value in values.items() if name in copies}:
        secret_file.update(environment, node, values={**copies, **changed})


def adopt(release: Release, settings: Mapping[str, str]) -> dict[str, SecretStr]:
    """Secrets that stand alone as the value of a key of `.env`."""
    found: dict[str, SecretStr] = {}
    for group in release.env.values():
        for key, template in group.items():
            name = template.removeprefix("{{ secret.").removesuffix(" }}")
            if template == "{{ secret." + name + " }}" and settings.get(key):
                found.setdefault(name, SecretStr(settings[key]))
    return found


def _shown(name: str, place: Place) -> str:
    return f"{place.name} ({place.where}) {fingerprint(name, place.values[name])}"


def _text(path: object, content: bytes | None) -> str:
    try:
        return (content or b"").decode()
    except UnicodeDecodeError as error:
        raise StepError(
            "secrets",
            f"{path}: byte {error.start} is not UTF-8; expected the text a deploy wrote",
            advice=f"put back {path}.previous, or save the file as UTF-8",
        ) from None
