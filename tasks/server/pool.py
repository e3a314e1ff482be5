"""The work pool that workers take runs from, and what a run may change of its process."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists

from tasks.core.step import Change, Kind

KIND = "process"
# A worker that is stopped kills the process of each of its runs. That is this shell: the run hears
# of it by one SIGTERM, as of a cancel, and has the time to tidy up. Its Python is the worker's.
# What a shell starts in the background would ignore SIGINT, and so would its children. Output goes
# nowhere once the worker is gone: a log that finds nobody to read it would end the run (Rich does).
ENGINE = r"""python=$(tr '\0' '\n' </proc/$PPID/cmdline | head -n 1)
folder=$(mktemp -d) && mkfifo "$folder/output" || exit
(trap '' INT TERM; exec tee -p /dev/null <"$folder/output") &
exec >"$folder/output" 2>&1
rm -r "$folder"
env --default-signal=INT setpriv --pdeathsig TERM -- "$python" -m prefect.engine &
engine=$!
trap 'trap "" TERM; kill -TERM $engine' TERM
while :; do
    wait $engine; status=$?
    kill -0 $engine 2>/dev/null || exit $status
done"""
# No job variable: neither a deployment nor a run sets command, directory or variables of the
# process. The server refuses them where it checks; the worker has no place to put them in.
TEMPLATE: dict[str, Any] = {
    "job_configuration": {"command": shlex.join(("sh", "-c", ENGINE)), "stream_output": True},
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of that name whose runs are processes of the worker's machine."""

    client: SyncPrefectClient
    pool: str
    name: str = "work pool"
    settle_s: float = 0.0

    def observe(self) -> dict[str, dict[str, Any]]:
        """Name → template of each pool of processes; another kind has a template of its own."""
        found = self.client.read_work_pools()
        return {
            pool.name: pool.base_job_template if pool.type == KIND else TEMPLATE for pool in found
        }

    def plan(self, actual: dict[str, dict[str, Any]]) -> Sequence[Change]:
        if self.pool not in actual:
            return [
                Change(
                    Kind.MAKE,
                    self.pool,
                    f"create work pool {self.pool}",
                    "absent",
                    f"type {KIND}",
                    "create",
                )
            ]
        if actual[self.pool] == TEMPLATE:
            return []
        what = f"let work pool {self.pool} alone choose the command of its runs"
        return [
            Change(Kind.CHANGE, self.pool, what, "other template", "no job variables", "update")
        ]

    def apply(self, change: Change) -> None:
        if change.action == "update":
            self.client.update_work_pool(self.pool, WorkPoolUpdate(base_job_template=TEMPLATE))
            return
        new = WorkPoolCreate(name=self.pool, type=KIND, base_job_template=TEMPLATE)
        try:
            self.client.create_work_pool(new)
        except ObjectAlreadyExists:  # a worker that starts makes its pool, too
            self.client.update_work_pool(self.pool, WorkPoolUpdate(base_job_template=TEMPLATE))
