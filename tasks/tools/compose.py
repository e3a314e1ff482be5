"""Docker Compose v2: argv out, parsed facts in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clients.command import Command, Secret

Prefix = tuple[str, ...]
MINIMUM = (2, 20)


def version(prefix: Prefix) -> Command:
    return Command((*prefix, "version", "--short"), changes=False, timeout_s=20)


def parse_version(text: str) -> tuple[int, int] | None:
    """Major and minor of `compose version --short`: `2.40.3` or `v2.40.3-desktop.1`."""
    parts = text.strip().lstrip("v").split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):  # noqa: PLR2004
        return None
    return int(parts[0]), int(parts[1])


def hashes(prefix: Prefix, home: Path, *, document: str, settings: Mapping[str, str]) -> Command:
    """What `compose.yaml` and `.env` with this content would make of each service.

    They need not be written: the document goes in by stdin, the settings as variables.
    """
    return Command(
        (*prefix, "--project-directory", str(home), "--file", "-", "config", "--hash", "*"),
        stdin=Secret(document), env=tuple((key, Secret(value)) for key, value in settings.items()),
        changes=False,
    )  # fmt: skip


def parse_hashes(text: str) -> dict[str, str]:
    """Service → digest of its configuration: one `service hash` a line."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}  # noqa: PLR2004


def up(prefix: Prefix, home: Path, *, wait_s: int, orphans: bool = False) -> Command:
    """Start what is missing, recreate what differs, return when healthy.

    `orphans`: what the file does not name stays. `wait_s` is Compose's own limit; ours leaves it
    60 s to pull down and report.
    """
    removed = () if orphans else ("--remove-orphans",)
    return _compose(
        prefix, home, "up", "--detach", *removed, "--no-build",
        "--wait", "--wait-timeout", str(wait_s),
        timeout_s=wait_s + 60, limited_by="dify.start_within_s",
    )  # fmt: skip


def create(prefix: Prefix, home: Path, services: Sequence[str]) -> Command:
    """Containers of these services alone are made, as `up` would make them, and not started."""
    return _compose(
        prefix, home, "up", "--no-start", "--no-deps", "--no-build", *services, timeout_s=180
    )


def down(prefix: Prefix, home: Path) -> Command:
    return _compose(prefix, home, "down", "--remove-orphans", timeout_s=180)


def run(
    prefix: Prefix,
    home: Path,
    service: str,
    *,
    name: str,
    environment: dict[str, str],
    entrypoint: list[str] | None,
    command: list[str],
    timeout_s: int,
    user: str | None = None,
) -> Command:
    """A one-shot container of a service, nothing else started. Its caller removes it.

    What it writes is in its log: Compose may lose the end of it, or all of it, with status 0.
    """
    words: list[str] = ["run", "--no-deps", "--no-TTY", "--name", name]
    for key, value in environment.items():
        words += ["--env", f"{key}={value}"]
    if user:
        words += ["--user", user]
    if entrypoint:
        words += ["--entrypoint", entrypoint[0]]
    tail = [*(entrypoint or [])[1:], *command]
    return _compose(
        prefix, home, *words, service, *tail,
        timeout_s=timeout_s, limited_by="dify.migrate_within_s",
    )  # fmt: skip


def _compose(
    prefix: Prefix, home: Path, *words: str, timeout_s: float = 60, limited_by: str = ""
) -> Command:
    return Command(
        (*prefix, "--project-directory", str(home), "--file", str(home / "compose.yaml"),
         "--progress", "plain", *words),
        timeout_s=timeout_s, limited_by=limited_by,
    )  # fmt: skip
