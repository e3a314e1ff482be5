"""A Dify as Pigsty's app has it, and an environment that is to take it over."""

from tests.integration.adopting import own, there
from tests.integration.conftest import module_sandbox_site, server_database

__all__ = ["module_sandbox_site", "own", "server_database", "there"]
