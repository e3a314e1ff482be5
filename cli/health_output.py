"""How an environment is, drawn for people: whole as a table, or what matters while they watch."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.output import PIPED_WIDTH
from flows.parts.health_report import headline, rows
from tasks.probes.health.ask import Checkup

_COLOURS = {"ok": "green", "unknown": "magenta", "warn": "yellow", "fail": "bold red"}


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def whole(seen: Checkup) -> Table:
    found = rows(seen)
    title = f"{headline(seen)}: {len(found)} probes in {seen.seconds:.1f} s"
    return _table(found, title)


def brief(seen: Checkup) -> Group:
    """What is not ok as a table, and the rest by name: it fits a screen."""
    title = f"{_at(seen)}  {headline(seen)}"
    found = rows(seen)
    bad = [row for row in found if row["status"] != "ok"]
    fine = ", ".join(sorted(row["probe"] for row in found if row["status"] == "ok"))
    parts = [_table(bad, title)] if bad else [Text(title)]
    return Group(*parts, Text(f"ok: {fine}", style="green"))


def line(seen: Checkup) -> str:
    """The same in one line, for a log."""
    causes = [f"{f.probe} {f.status} ({f.said})" for f in seen.findings if f.at_fault]
    return f"{_at(seen)}  {headline(seen)}: {'; '.join(causes) or 'nothing to do'}"


def _at(seen: Checkup) -> str:
    return datetime.fromtimestamp(seen.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _table(found: Iterable[dict[str, Any]], title: str) -> Table:
    """Readable where a terminal has 80 columns: values stand beside what they tell."""
    table = Table(title=title, title_justify="left")
    for column in ("status", "probe", "since"):
        table.add_column(column, no_wrap=True)
    table.add_column("what", overflow="fold")
    for row in found:
        said = ": ".join(filter(None, (row["what"], row["value"])))
        do = f"\n[italic]do: {escape(row['do'])}[/]" if row["do"] else ""
        status = f"[{_COLOURS[row['status']]}]{row['status']}[/]"
        table.add_row(status, row["probe"], row["since"], escape(said) + do)
    return table
