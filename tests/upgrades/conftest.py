"""The sandboxes of the integration tests."""

from tests.integration.conftest import module_sandbox_site

__all__ = ["module_sandbox_site"]
