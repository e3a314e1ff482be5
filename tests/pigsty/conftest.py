"""The lab's own tests run in the lab only: `make test-pigsty`."""

import os

collect_ignore = [] if "LAB_HOME" in os.environ else ["lab"]
