"""Every command of `rollout` by its words, like `images pull`."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from cli.main import app


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield before + name, command


COMMANDS = dict(_commands(typer.main.get_command(app)))
