"""`release.json` beside the stack: what was deployed, when, by which run.

A hint for history, drift and speed; what counts is always what is observed.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from clients.files import File
from clients.node import Node
from config.environment import Environment

log = logging.getLogger("rollout")

RELEASE = "release.json"


class ReleaseFile(BaseModel):
    """`settings`: key of `.env` → keyed digest of the value last written there.

    `environment`: whose stack this is.
    `images`: reference → id of what runs; `previous` of what ran before, for a way back.
    `held`: reference → digest its registry gave it when it was pulled first.
    `revisions`: image id → the schema revisions that image brings, its newest first.
    `migrated`: newest schema revision of a release that was upgraded to → that release.
    `start_s`: how long the containers took at the last start until all were healthy.
    `hand_steps`: step of an upgrade that changed this database → when it began.
    `verified`: digest of the stack that passed all checks and was not changed since, `databases`
    which ones it had, `settings_of` of the release it was made from. `proved_at`,
    `proved_release`: when all checks passed last, and of which release; these stay when the stack
    changes.
    """

    model_config = ConfigDict(frozen=True)

    environment: str = ""
    version: str = ""
    run: str = ""
    at: str = ""
    images: dict[str, str] = {}
    previous: dict[str, str] = {}
    settings: dict[str, str] = {}
    held: dict[str, str] = {}
    revisions: dict[str, list[str]] = {}
    migrated: dict[str, str] = {}
    start_s: float = 0.0
    hand_steps: dict[str, str] = {}
    verified: str = ""
    databases: str = ""
    settings_of: str = ""
    proved_at: str = ""
    proved_release: str = ""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What the source environment runs: its release and, by reference, the id of each image."""

    source: str
    release: str
    images: Mapping[str, str]


def read(environment: Environment, node: Node) -> ReleaseFile:
    """The file; an empty one if there is none or it cannot be understood."""
    content = node.read(_path(environment))
    if content is None:
        return ReleaseFile()
    try:
        return ReleaseFile.model_validate_json(content)
    except ValidationError:
        log.warning("%s is damaged; it is written anew", _path(environment))
        return ReleaseFile()


def update(environment: Environment, node: Node, **values: object) -> None:
    """Replace these fields, keep the others; nothing is written if nothing differs."""
    old = read(environment, node)
    new = old.model_copy(update={"environment": environment.name, **values})
    if new != old:
        text = json.dumps(new.model_dump(), indent=2, sort_keys=True) + "\n"
        node.write(File(_path(environment), text.encode(), mode=0o600, keep_previous=False))


def forget_hand_steps(environment: Environment, node: Node, *, since: datetime) -> None:
    """The database is as it was then: steps that began later have not changed it."""
    began = read(environment, node).hand_steps
    kept = {name: at for name, at in began.items() if datetime.fromisoformat(at) < since}
    update(environment, node, hand_steps=kept)


def digests(settings: Mapping[str, str], key: str) -> dict[str, str]:
    """Key → digest of its value, keyed so that a short value cannot be guessed from it."""
    return {
        name: hmac.new(key.encode(), f"{name}={value}".encode(), hashlib.sha256).hexdigest()[:16]
        for name, value in settings.items()
    }


def _path(environment: Environment) -> Path:
    return environment.dify.home / RELEASE
