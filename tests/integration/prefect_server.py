"""A Prefect server of the test's own: it must live on when the stack's PostgreSQL does not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

START_S = 120


@contextmanager
def server(folder: Path, port: int, **more: str) -> Generator[str]:
    """The address of its API; ended with all of its processes."""
    env = {
        **os.environ,
        "PREFECT_HOME": str(folder),
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        **more,
    }
    words = [str(Path(sys.executable).parent / "prefect"), "server", "start"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        _until_it_answers(process, f"http://127.0.0.1:{port}/api/ready", folder / "server.log")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until_it_answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no answer at {url}:\n{log.read_text()}")
