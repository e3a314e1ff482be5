"""bench/pigsty.py in the lab: everything on its node, then Pigsty apart from Dify's containers.

tests/pigsty/lab/with uv run python bench/lab.py
"""

import os
import subprocess
import sys

from config.load import ROOT
from tests.pigsty.lab.site import ENVIRONMENT, LabSite, OneMachine, forget, lab_site

WORDS = (sys.executable, str(ROOT / "bench/pigsty.py"), ENVIRONMENT)


def main() -> int:
    return max([measured(kind) for kind in (OneMachine, LabSite)])


def measured(kind: type[LabSite]) -> int:
    with lab_site(kind=kind) as site:
        site.variables["PYTHONPATH"] = str(ROOT)
        try:
            done = site.deploy()
            assert done.returncode == 0, done.stderr[-4000:]
            print(f"\n{kind.__name__}", flush=True)
            variables = {**os.environ, **site.variables}
            words = site.command(*WORDS)
            return subprocess.run(words, cwd=ROOT, env=variables, check=False).returncode
        finally:
            forget(site)


if __name__ == "__main__":
    sys.exit(main())
