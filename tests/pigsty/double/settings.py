"""What makes `staging` an environment on the double: variables that override its file."""

import json
import os
from pathlib import Path

from tests.pigsty.double.build import Double


def variables(double: Double, home: Path) -> dict[str, str]:
    """`home`: where the stack and its data go."""
    address, *_ = double.addresses
    return {
        "PATH": f"{double.programs}:{os.environ['PATH']}",
        "ROLLOUT__PIGSTY__HOME": str(double.tree),
        "ROLLOUT__PIGSTY__VERSION": double.version,
        "ROLLOUT__PIGSTY__ADMIN_IP": address,
        "ROLLOUT__PIGSTY__REDIS_NODES": json.dumps([address]),
        "ROLLOUT__POSTGRES__HOST": address,
        "ROLLOUT__POSTGRES__PORT": "5432",
        "ROLLOUT__REDIS__HOST": address,
        "ROLLOUT__REDIS__PORT": "6379",
        "ROLLOUT__REDIS__MAX_MEMORY_MB": "64",
        "ROLLOUT__IMAGES__SOURCE": "rehearsal",
        "ROLLOUT__PORTAL__HTTP_PORT": str(double.http_port),
        "ROLLOUT__PORTAL__HTTPS_PORT": str(double.https_port),
        "ROLLOUT__DIFY__HOME": str(home / "stack"),
        "ROLLOUT__DIFY__DATA": str(home / "data"),
        "ROLLOUT__NODES__FREE_GB__DISK": "1",
        "ROLLOUT__NODES__FREE_GB__MEMORY": "0.5",
    }
