"""The generated secrets of one environment, kept as a Prefect block."""

from typing import cast

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.secret_tables import masked


class DifySecrets(Block):
    """Every secret of one environment's Dify.

    Encrypted in the Prefect server's database with a key that lies in that same
    database unless `PREFECT_ENCRYPTION_KEY`-like settings say otherwise.
    """

    _block_type_name = "Dify secrets"
    _block_type_slug = "dify-secrets"
    _description = "Secrets generated at the first deploy of an environment; they never rotate."

    model_config = ConfigDict(json_schema_extra=masked("values"))

    values: dict[str, SecretStr] = Field(
        default_factory=dict, description="Name of each secret and its value"
    )


def load(environment: str) -> dict[str, SecretStr]:
    """The secrets saved for the environment, empty before its first deploy."""
    try:
        block = cast(DifySecrets, DifySecrets.load(block_name(environment)))
    except ValueError:
        return {}
    return block.values


def save(environment: str, values: dict[str, SecretStr]) -> None:
    DifySecrets(values=values).save(block_name(environment), overwrite=True)


def block_name(environment: str) -> str:
    """What the environment's block is called."""
    return "dify-" + environment.replace("_", "-").lower()
