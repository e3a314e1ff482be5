"""A further address of this machine, from which its requests are those of somebody else."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

# Each process of a parallel run has its own.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
ELSEWHERE = f"192.0.2.{80 + _worker}"


@contextmanager
def elsewhere() -> Generator[str]:
    """One that no rule of Docker's replaces on the way, as it does those of its own networks."""
    words = (ELSEWHERE + "/32", "dev", "lo")
    subprocess.run(["ip", "address", "add", *words], check=True)
    try:
        yield ELSEWHERE
    finally:
        subprocess.run(["ip", "address", "delete", *words], check=True)
