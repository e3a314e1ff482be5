"""A user name and password for a registry or a proxy, kept as a Prefect block."""

from typing import cast

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.icons import GUIDE, icon
from blocks.prefect_api import require_server
from clients import registry
from clients.proxy import WebProxy
from config.errors import RolloutError

TIMEOUT_S = 10.0


class Login(Block):
    """Named in `images.logins` or `docker.proxy_login` of an environment."""

    _block_type_name = "Login"
    _block_type_slug = "login"
    _logo_url = icon("login")
    _documentation_url = GUIDE
    _description = "User name and password for a registry or a proxy."
    _code_example = """```python
from blocks.login import Login

print(Login.load("quay-robot").check_registry("quay.io"))
print(Login.load("office").check_proxy("http://proxy:3128", "https://quay.io/v2/"))
```"""

    username: str = Field(description="As the registry or proxy knows it")
    password: SecretStr = Field(description="Password or access token")

    def check_registry(self, host: str) -> str:
        """Log in to it from here. Raises RolloutError with what is wrong."""
        return registry.check(host, self, None, TIMEOUT_S)

    def check_proxy(self, url: str, target: str) -> str:
        """Go through it from here to `target`. Raises RolloutError with what is wrong."""
        return WebProxy(url, self.username, self.password).check(target)


def load(name: str, key: str) -> Login:
    """The saved block.

    Raises:
        RolloutError: there is none of that name; `key` is the setting that names it.
    """
    require_server(f"{key}: the block login/{name}")
    try:
        return cast(Login, Login.load(name))
    except ValueError:
        raise RolloutError(
            f"{key}: no Prefect block login/{name}; expected one: "
            "add it in the UI under Blocks, or from a file: rollout server blocks FILE"
        ) from None
