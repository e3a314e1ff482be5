"""Every command of `rollout` by its words, like `images pull`."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from cli.groups import BackupCommands
from cli.main import app


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{before}{name} ")
            if isinstance(command, BackupCommands):
                yield before + name, command.commands[command.default]
        elif not (isinstance(group, BackupCommands) and name == group.default):
            yield before + name, command


COMMANDS = dict(_commands(typer.main.get_command(app)))
