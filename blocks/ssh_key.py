"""A private key for machines, kept as a Prefect block so that every worker has it."""

from typing import cast

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.icons import GUIDE, icon
from blocks.prefect_api import require_server
from clients.command import Command
from clients.ssh import Identity, SshNode
from config.errors import RolloutError


class SshKey(Block):
    """Named in `nodes.ssh_key` or `backup.ssh_key`; without one OpenSSH takes what it finds."""

    _block_type_name = "SSH key"
    _block_type_slug = "ssh-key"
    _logo_url = icon("ssh-key")
    _documentation_url = GUIDE
    _description = "Private key to the machines of an environment, or to where its backups are."
    _code_example = """```python
from blocks.ssh_key import SshKey

print(SshKey.load("prod").check("root@10.10.10.11"))
```"""

    private_key: SecretStr = Field(description="Without a passphrase; -----BEGIN … to END …-----")
    known_hosts: str = Field(
        default="",
        description="Lines of known_hosts (ssh-keyscan); empty: those of the worker's user",
    )

    @property
    def identity(self) -> Identity:
        return Identity(self.private_key.get_secret_value(), self.known_hosts)

    def check(self, destination: str) -> str:
        """Log in there from here. Raises RolloutError with what is wrong."""
        node = SshNode(destination, identity=self.identity)
        try:
            who = node.run(Command(("id", "-un"), changes=False)).strip()
        finally:
            node.close()
        return f"{destination} runs our commands as {who}"


def load(name: str, key: str) -> Identity:
    """The private key that the environment's `key` names.

    Raises:
        RolloutError: there is none of that name.
    """
    require_server(f"{key}: the block ssh-key/{name}")
    try:
        return cast(SshKey, SshKey.load(name)).identity
    except ValueError:
        raise RolloutError(
            f"{key}: no Prefect block ssh-key/{name}; expected one: "
            "add it in the UI under Blocks, or from a file: rollout server blocks FILE"
        ) from None
