"""What every contract test runs on: the double, or the lab if LAB_HOME names one."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.pigsty.contract.subject import DoubleSubject, LabSubject, Subject
from tests.pigsty.double.build import build


@pytest.fixture(scope="session")
def pigsty(tmp_path_factory: pytest.TempPathFactory) -> Generator[Subject]:
    """An installed Pigsty 4.5: authority, portal, cluster pg-meta, nothing of Dify's."""
    if home := os.environ.get("LAB_HOME"):
        yield LabSubject(Path(home), os.environ["LAB_NAME"], os.environ["LAB_IP"])
        return
    double = build(tmp_path_factory.mktemp("contract") / "pigsty")
    try:
        double.install()
        yield DoubleSubject(double)
    finally:
        double.remove()


@pytest.fixture(autouse=True)
def same_inventory(pigsty: Subject) -> Generator[None]:
    """Every test finds pigsty.yml as it was installed."""
    path = pigsty.tree / "pigsty.yml"
    before = path.read_bytes()
    yield
    path.write_bytes(before)
