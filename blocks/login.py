"""A user name and password for a registry or a proxy, kept as a Prefect block."""

from typing import cast

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from config.errors import RolloutError


class Login(Block):
    """Named in `images.logins` or `docker.proxy_login` of an environment."""

    _block_type_name = "Login"
    _block_type_slug = "login"
    _description = "User name and password for a registry or a proxy."

    username: str = Field(description="As the registry or proxy knows it")
    password: SecretStr = Field(description="Password or access token")


def load(name: str, key: str) -> Login:
    """The saved block.

    Raises:
        RolloutError: there is none of that name; `key` is the setting that names it.
    """
    try:
        return cast(Login, Login.load(name))
    except ValueError:
        raise RolloutError(
            f"{key}: no Prefect block login/{name}; expected one: "
            "prefect block register -m blocks.login, then add it in the UI under Blocks"
        ) from None
