from collections.abc import Callable

import pytest

from config.desired.inventory.fragment import Fragment, fragment
from config.desired.inventory.generation import V4, Generation
from config.environment import Environment
from config.load import load_environment, load_release
from config.release import Release


@pytest.fixture
def release() -> Release:
    """One that takes the PostgreSQL of Pigsty's own templates."""
    return load_release("1.16.1")


@pytest.fixture
def ours(changed, release, secrets) -> Callable[..., Fragment]:
    """What the recipe wants of pigsty.yml, with other keys: `ours(pigsty={"pg_version": 16})`."""

    def make(generation: Generation = V4, **sections: dict[str, object]) -> Fragment:
        environment: Environment = changed(load_environment("recipe"), **sections)
        return fragment(environment, release, secrets, generation)

    return make


@pytest.fixture
def ours_of(secrets) -> Callable[[str], Fragment]:
    """The same of another release: `ours_of("1.15.0")`."""

    def make(version: str) -> Fragment:
        return fragment(load_environment("recipe"), load_release(version), secrets, V4)

    return make
