"""Ports for the servers of tests, which come to listen long after they were named."""

import itertools
import os
import socket

# Below those the kernel gives to whoever asks for any, and apart for each worker of a run.
_FIRST, _ALL = 20_000, 12_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Apart, since an environment derives ports from others: that of its drill is dify.port + 8.
_candidates = itertools.count(_FIRST + _worker * _ALL // _workers, 9)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; none is given twice."""
    return list(itertools.islice(filter(_is_free, _candidates), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
