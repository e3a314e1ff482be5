from collections.abc import Callable

import pytest

from config.desired.inventory.fragment import Fragment, fragment
from config.desired.inventory.generation import V4, Generation
from config.environment import Environment
from config.load import load_environment


@pytest.fixture
def ours(changed, release, secrets) -> Callable[..., Fragment]:
    """What the recipe wants of pigsty.yml, with other keys: `ours(pigsty={"pg_version": 16})`."""

    def make(generation: Generation = V4, **sections: dict[str, object]) -> Fragment:
        environment: Environment = changed(load_environment("recipe"), **sections)
        return fragment(environment, release, secrets, generation)

    return make
