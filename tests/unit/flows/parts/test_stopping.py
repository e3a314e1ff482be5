"""A run that is told to stop several times tidies up undisturbed."""

import os
import signal
from collections.abc import Generator

import pytest

from flows.parts.stopping import stopping


class Told(BaseException):
    """As Prefect's, at SIGTERM."""


@pytest.fixture(autouse=True)
def handler() -> Generator[None]:
    def raises(*_: object) -> None:
        raise Told

    before = signal.signal(signal.SIGTERM, raises)
    yield
    signal.signal(signal.SIGTERM, before)


def tell() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_first_one_ends_the_work_and_the_next_ones_nothing() -> None:
    tidied: list[str] = []
    with pytest.raises(Told), stopping():  # noqa: PT012
        try:
            tell()
        finally:
            tell()
            tidied.append("all")
    assert tidied == ["all"]


def test_afterwards_it_is_heard_as_before() -> None:
    with stopping():
        pass
    with pytest.raises(Told):
        tell()
