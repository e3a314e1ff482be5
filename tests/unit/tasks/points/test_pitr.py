"""Going back to a moment: which machine does."""

from types import SimpleNamespace
from typing import Any

import pytest

from config.errors import StepError
from tasks.platforms.pigsty import facts
from tasks.points import pitr


def test_without_a_primary_in_the_inventory_no_playbook_is_run_over_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pigsty = SimpleNamespace(pg_cluster="pg-dify")
    site: Any = SimpleNamespace(environment=SimpleNamespace(pigsty=pigsty))
    hosts = (
        "all: { children: { pg-dify: { hosts: { 10.0.0.1: %s }, vars: { pg_cluster: pg-dify } } } }"
    )
    monkeypatch.setattr(facts, "inventory", lambda _: hosts % "{ pg_role: primary }")
    assert pitr._first(site) == "10.0.0.1"
    monkeypatch.setattr(facts, "inventory", lambda _: hosts % "{ pg_role: replica }")
    with pytest.raises(StepError, match="no machine of pg-dify has pg_role: primary"):
        pitr._first(site)
