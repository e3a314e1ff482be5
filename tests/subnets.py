"""Networks for containers of tests: apart for each worker of a run, and none of Docker's own."""

import itertools
import os
import socket

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# The network after each stays free: it is that of the drills of an environment that has this one.
_candidates = (f"10.{200 + _worker}.{third}" for third in itertools.count(0, 2))


def free_subnet() -> str:
    """A /24 of which this machine has no address now; none is given twice."""
    start = next(filter(_is_free, _candidates))
    return f"{start}.0/24"


def _is_free(start: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((f"{start}.1", 0))
        except OSError:
            return True
    return False
