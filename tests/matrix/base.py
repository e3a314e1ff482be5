"""The base of the rehearsal images, made once by this machine's engine for those of a matrix."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from clients.node import LocalNode
from tasks.images.stand_ins import base, read_recipe
from tests.engine import started

# In a machine: its engine starts and takes it in before the command.
SCRIPT = 'base=$0; python -m tests.engine && docker load --quiet --input "$base" && exec "$@"'


def saved(folder: Path) -> Path:
    """A file in the folder for `docker load`."""
    recipe, path = read_recipe(), folder / "base.tar"
    base(started(), LocalNode(), recipe)
    name = f"{recipe.base['name']}:{recipe.base_tag()}"
    subprocess.run(["docker", "save", "--output", path, name], check=True)
    return path


def with_base(path: Path, command: Sequence[str]) -> list[str]:
    """The command, run in a machine whose engine has the base."""
    return ["sh", "-c", SCRIPT, str(path), *command]
