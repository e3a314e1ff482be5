"""What Pigsty leaves of a Redis instance on its machine, found by name."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

FOLDERS = ("/etc/redis", "/etc/systemd/system", "/data")


@dataclass(frozen=True, slots=True)
class Files:
    """Its configuration, its unit, and whether anything was ever stored by it."""

    configuration: str = ""
    unit: str = ""
    data: bool = False

    @property
    def lacks(self) -> str:
        """What a playbook that was cut off left out; empty: nothing."""
        parts = {"configuration": self.configuration, "unit": self.unit, "data": self.data}
        return ", ".join(f"no {name}" for name, there in parts.items() if not there)

    def __bool__(self) -> bool:
        return bool(self.configuration or self.unit or self.data)


def words(cluster: str, port: int) -> tuple[str, ...]:
    """The command that lists them; the number of the node in the names may have changed."""
    return ("find", *FOLDERS, "-maxdepth", "3", "-path", f"*/{cluster}-*-{port}*")


def parse(listed: str, cluster: str, port: int) -> Files:
    """Of that command's output."""
    name = re.compile(rf"{re.escape(cluster)}-\d+-{port}")
    configuration = unit = ""
    data = False
    for path in map(PurePosixPath, listed.splitlines()):
        if path.suffix == ".conf" and name.fullmatch(path.stem):
            configuration = str(path)
        elif path.suffix == ".service" and name.fullmatch(path.stem):
            unit = path.name
        elif name.fullmatch(path.parent.name):
            data = True
    return Files(configuration, unit, data)
