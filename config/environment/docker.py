"""Section [docker] of an environment."""

from config.environment.forms import Url
from config.environment.model import Strict


class Docker(Strict):
    """How Docker Engine reaches registries."""

    proxy: Url
    proxy_login: str
    no_proxy: list[str]
