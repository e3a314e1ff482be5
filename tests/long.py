"""Cases that `make test` leaves to `make test-long`."""

from typing import Any

import pytest


def long(*values: Any) -> Any:
    """The values of one case of `pytest.mark.parametrize`, which takes too long for `make test`."""
    return pytest.param(*values, marks=pytest.mark.long)
