"""A Dify as Pigsty's app has it, and an environment that is to take it over."""

from tests.integration.adopting import own, there
from tests.integration.conftest import module_sandbox_site

__all__ = ["module_sandbox_site", "own", "there"]
