"""The secrets of one environment, kept as a Prefect block."""

from collections.abc import Iterable, Mapping

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.icons import GUIDE, icon
from blocks.prefect_api import load_block
from blocks.secret_tables import masked
from config.errors import RolloutError


class DifySecrets(Block):
    """Every secret of one environment's Dify, but for those its file names another source of.

    Encrypted in the Prefect server's database, with a key that lies in that same database unless
    the server has `PREFECT_SERVER_ENCRYPTION_KEY`.
    """

    _block_type_name = "Dify secrets"
    _block_type_slug = "dify-secrets"
    _logo_url = icon("secrets")
    _documentation_url = GUIDE
    _description = "Secrets of an environment, made at its first deploy; they never rotate."
    _code_example = """```python
from blocks.secrets import DifySecrets

print(DifySecrets.load("dify-prod").check(["secret_key", "redis_password"]))
```"""

    model_config = ConfigDict(json_schema_extra=masked("values"))

    values: dict[str, SecretStr] = Field(
        default_factory=dict, description="Name of each secret and its value"
    )
    replaces: dict[str, str] = Field(
        default_factory=dict,
        description="Fingerprint of the value on the machine that somebody decided to replace",
    )

    def check(self, names: Iterable[str]) -> str:
        """What of `names` is there. Raises RolloutError if one is missing or empty."""
        wanted = list(names)
        bad = [name for name in wanted if not (self.values.get(name) or SecretStr(""))]
        if bad:
            raise RolloutError(f"{', '.join(bad)} missing or empty; expected a value")
        return f"all {len(wanted)} are there"


def load(environment: str) -> DifySecrets:
    """The secrets saved for the environment, none before its first deploy."""
    return load_block(DifySecrets, block_name(environment)) or DifySecrets()


def save(
    environment: str, values: Mapping[str, SecretStr], replaces: Mapping[str, str] = {}
) -> None:
    block = DifySecrets(values=dict(values), replaces=dict(replaces))
    block.save(block_name(environment), overwrite=True)


def delete(environment: str) -> bool:
    """The block is gone; whether there was one."""
    try:
        DifySecrets.delete(block_name(environment))
    except ValueError:
        return False
    return True


def block_name(environment: str) -> str:
    """What the environment's block is called."""
    return "dify-" + environment.replace("_", "-").lower()
