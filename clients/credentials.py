"""A user name and password, however they are kept."""

from typing import Protocol

from pydantic import SecretStr


class Credentials(Protocol):
    """What a registry or a proxy asks for."""

    username: str
    password: SecretStr
