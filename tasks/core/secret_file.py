"""`secrets.json` beside the stack: keeps what a block keeps where a Prefect server is used."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

from clients.files import File
from clients.node import Node
from config.environment import Environment
from config.errors import StepError

MODE = 0o600


class SecretFile(BaseModel):
    """Dify's secrets, as the block *Dify secrets* has them, and the fields of *Backup repository*.

    In clear, like the `.env` beside it, and readable by its owner alone.
    """

    model_config = ConfigDict(frozen=True)

    values: dict[str, SecretStr] = {}
    replaces: dict[str, str] = {}
    repository: dict[str, Any] = {}

    @field_serializer("values")
    def _clear(self, values: dict[str, SecretStr]) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in values.items()}


def parse(environment: Environment, content: bytes | None) -> SecretFile:
    """What the file holds, nothing where there is none.

    Raises:
        StepError: it is damaged.
    """
    try:
        return SecretFile.model_validate_json(content) if content else SecretFile()
    except ValidationError:
        raise StepError(
            "secrets",
            f"{path(environment)} is damaged",
            advice="put back a copy of it; without one give its secrets anew: "
            f"rollout secrets {environment.name} NAME --set",
        ) from None


def read(environment: Environment, node: Node) -> SecretFile:
    return parse(environment, node.read(path(environment)))


def update(environment: Environment, node: Node, **fields: Any) -> None:
    """Replace these fields, keep the others."""
    new = read(environment, node).model_copy(update=fields)
    text = new.model_dump_json(indent=2) + "\n"
    node.write(File(path(environment), text.encode(), MODE, keep_previous=False))


def path(environment: Environment) -> Path:
    return environment.dify.home / "secrets.json"
