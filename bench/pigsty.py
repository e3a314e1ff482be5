"""A deploy with nothing to do on Pigsty, against Pigsty's own app.yml with nothing to do.

    uv run python bench/pigsty.py ENVIRONMENT

Both in one run, in turns, on the same nodes: the environment must be deployed, and its admin node
be this machine, with Ansible on PATH. Pigsty's playbook puts its app `dify` on the first node of
Dify's; `make`, which would start containers, is left out of it.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from config.load import load_environment
from config.pigsty import dify_addresses

ROLLOUT = str(Path(sys.executable).parent / "rollout")
TIMES = 3
AT_MOST = 1 / 5


def main() -> int:
    (name,) = sys.argv[1:]
    environment = load_environment(name)
    limit = dify_addresses(environment)[0]
    playbook = ["./app.yml", "-l", limit, "-e", "app=dify", "--skip-tags", "app_launch"]
    _timed(playbook, environment.pigsty.home)
    theirs, ours = [], []
    for _ in range(TIMES):
        theirs.append(_timed(playbook, environment.pigsty.home)[0])
        seconds, output = _timed([ROLLOUT, "deploy", name, "--yes", "--json"], Path.cwd())
        assert json.loads(output)["changes"] == 0, "the deploy had something to do"
        ours.append(seconds)
    app, deploy = statistics.median(theirs), statistics.median(ours)
    inside = json.loads(output)["seconds"]
    print(f"app.yml          {app:6.2f} s   {', '.join(f'{s:.2f}' for s in theirs)}")
    print(f"rollout deploy   {deploy:6.2f} s   {', '.join(f'{s:.2f}' for s in ours)}")
    print(f"  of which the run itself {inside:.2f} s")
    print(f"one in {app / deploy:.1f}, expected one in {1 / AT_MOST:.0f} or less")
    return 0 if deploy <= app * AT_MOST else 1


def _timed(words: list[str], folder: Path) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return time.monotonic() - began, done.stdout


if __name__ == "__main__":
    sys.exit(main())
