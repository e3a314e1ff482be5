"""The work pool that workers take runs from."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate

from tasks.core.step import Change


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of that name whose runs are processes of the worker's machine."""

    client: SyncPrefectClient
    pool: str
    name: str = "work pool"
    settle_s: float = 0.0

    def observe(self) -> set[str]:
        return {pool.name for pool in self.client.read_work_pools()}

    def plan(self, actual: set[str]) -> Sequence[Change]:
        if self.pool in actual:
            return []
        return [Change(f"create work pool {self.pool}", "absent", "type process", self.pool)]

    def apply(self, change: Change) -> None:
        self.client.create_work_pool(WorkPoolCreate(name=self.pool, type="process"))
