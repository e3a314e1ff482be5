"""Who runs an environment's state and portal, one folder a kind."""

from importlib import import_module
from typing import TYPE_CHECKING, cast

from config.environment import Environment

if TYPE_CHECKING:
    from tasks.platforms.base import Platform


def platform(environment: Environment) -> "Platform":
    """The environment's platform, imported when it is first asked for."""
    kind = environment.platform.kind
    return cast("Platform", import_module(f"tasks.platforms.{kind}.platform").PLATFORM)
