"""A Dify as Pigsty's app has it, and an environment that is to take it over."""

from collections.abc import Generator
from typing import Any

import pytest

from tasks.core.site import Site
from tests.integration.adopting import host_image, recipe, taker
from tests.integration.conftest import module_sandbox_site

__all__ = ["module_sandbox_site"]


@pytest.fixture(scope="module")
def there(module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    folder = tmp_path_factory.mktemp("points") / "repository"
    with recipe(module_sandbox_site, folder, host_image()) as site:
        yield site


@pytest.fixture(scope="module")
def own(module_sandbox_site: Any, there: Site) -> Generator[Site]:
    with taker(module_sandbox_site, there) as site:
        yield site
