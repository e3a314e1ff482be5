"""No secret in argv, logs, artifacts, run parameters, exceptions or world-readable files."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

NAMES = (
    "secret_key",
    "postgres_password",
    "redis_password",
    "init_password",
    "admin_password",
    "sandbox_key",
    "plugin_daemon_key",
    "inner_api_key",
)


def command_lines(stop: threading.Event, seen: set[str]) -> None:
    while not stop.wait(0.02):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                seen.add((process / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue


def test_no_secret_leaks_anywhere(deployed: Any) -> None:
    secrets = {name: deployed.secret(name) for name in NAMES}
    secrets["login of Prefect"] = deployed.login.partition(":")[2]
    assert all(len(value) >= 16 for value in secrets.values())
    seen: set[str] = set()
    stop = threading.Event()
    watcher = threading.Thread(target=command_lines, args=(stop, seen))
    watcher.start()
    deployed.remove("worker")
    env = deployed.home / "sandbox" / "stack" / ".env"
    env.write_text(env.read_text().replace("SECRET_KEY", "SECRET_KEY_LOST", 1))
    done = deployed.rollout("deploy", "sandbox")
    planned = deployed.rollout("plan", "sandbox", check=False)
    stop.set()
    watcher.join()

    places = {"argv": "\n".join(seen), "output": done.stdout + done.stderr + planned.stdout}
    places["the Prefect database"] = prefect_database(deployed)
    home = (deployed.home / "sandbox").resolve()
    for path in home.rglob("*"):
        if path.is_file() and (path.suffix == ".log" or path.stat().st_mode & 0o004):
            places[str(path)] = path.read_bytes().decode(errors="replace")
    leaks = [
        f"{name} in {place}"
        for place, text in places.items()
        for name, value in secrets.items()
        if value in text
    ]
    assert leaks == []
    assert len(places) > 10
    assert (
        "DifySecrets" in places["the Prefect database"]
        or "dify-secrets" in (places["the Prefect database"])
    )


def prefect_database(deployed: Any) -> str:
    """A dump of the Prefect server's own database: runs, parameters, logs, artifacts, blocks."""
    home = deployed.home / "sandbox"
    password = (home / "prefect" / "database-password").read_text().strip()
    binary = next((home / "postgres").resolve().rglob("bin/pg_dump"))
    port = deployed.variables["ROLLOUT__POSTGRES__PORT"]
    return subprocess.run(
        [str(binary), "-h", "127.0.0.1", "-p", port, "-U", "prefect", "prefect"],
        env={**os.environ, "PGPASSWORD": password},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
