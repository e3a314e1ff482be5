"""Section [platform] of an environment."""

from typing import Literal

from config.environment.model import Strict

Kind = Literal["sandbox", "pigsty", "external"]


class Platform(Strict):
    """Who runs PostgreSQL, Redis and the portal."""

    kind: Kind
