"""How commands are found: those of before are told what they are now."""

from typing import Any

from typer.core import TyperGroup

from config.errors import RolloutError

MOVED = {
    "fleet": "health --all",
    "points": "backup list ENV, or rollout backup check ENV",
    "setup": "server setup",
    "blocks": "server blocks FILE",
}


class Commands(TyperGroup):
    """The commands of `rollout`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if now := MOVED.get(args[0]):
            raise RolloutError(
                f"rollout {args[0]}: there is no such command; expected rollout {now}"
            )
        return super().resolve_command(ctx, args)


class BackupCommands(TyperGroup):
    """`rollout backup ENV` takes a restore point, without a word for it."""

    default = "take"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = [self.default, *args]
        return super().parse_args(ctx, args)
