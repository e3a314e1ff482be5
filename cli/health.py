"""`rollout health`: through the flow where a Prefect server is ready, else by itself.

What is asked may be what Prefect itself runs on: an answer must come also when that is down.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from cli import output, runs
from config.load import environment_names

OK, WARN, FAIL = 0, 3, 4
_STATUS = {"ok": OK, "fail": FAIL}
_COLOURS = {"ok": "green", "unknown": "magenta", "warn": "yellow", "fail": "bold red"}


def once(environment: str, *, as_json: bool) -> int:
    """The exit status that tells how the environment is."""
    with runs.server(environment):
        if _ready():
            seen = runs.health(environment)
        else:
            with _stranded(environment) as look:
                seen = look()
            if not as_json:
                output.say("Prefect does not answer: nothing is remembered, and nobody told")
    _show(seen, as_json=as_json)
    return _status(seen)


def watch(environment: str, *, every_s: float, as_json: bool) -> None:
    """Look until interrupted. Nothing is remembered: people watch already."""
    from flows.health_report import as_json as dumped

    with (
        runs.server(environment),
        (_glancing if _ready() else _stranded)(environment) as look,
        Live(console=Console(), auto_refresh=False) as live,
    ):
        while True:
            seen = look()
            if as_json:
                output.json_line(dumped(seen))
            else:
                live.update(_table(seen), refresh=True)
            time.sleep(every_s)


def fleet(names: list[str], *, at_once: int, as_json: bool) -> int:
    """The exit status of the worst."""
    found = runs.fleet(names or environment_names(), at_once=at_once)
    from config.desired.health.verdict import worst
    from flows.health_report import page_rows

    rows, status = page_rows(found), str(worst(each.status for each in found))
    if as_json:
        output.json_line({"status": status, "environments": rows})
    else:
        output.table(rows, f"{len(rows)} environments, the worst is {status}")
    return _STATUS.get(status, WARN)


@contextmanager
def _glancing(environment: str) -> Generator[Callable[[], Any]]:
    from flows.opening import opened
    from tasks.health.attend import glance

    with opened(environment, run="", dry_run=True) as site:
        yield partial(glance, site)


@contextmanager
def _stranded(environment: str) -> Generator[Callable[[], Any]]:
    """A look without Prefect: with the secrets the machine has, and no past."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from config.desired.health.record import Record
    from flows.opening import stranded
    from tasks.health.look import look

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield partial(look, stranded(environment), Record())


def _show(seen: Any, *, as_json: bool) -> None:
    from flows.health_report import as_json as dumped

    if as_json:
        output.json_line(dumped(seen))
    else:
        Console().print(_table(seen))


def _table(seen: Any) -> Table:
    from flows.health_report import rows

    found = rows(seen)
    title = f"{seen.environment} is {seen.status}: {len(found)} probes in {seen.seconds:.1f} s"
    table = Table(title=title, title_justify="left")
    for column in ("status", "probe", "value", "since"):
        table.add_column(column, no_wrap=True)
    table.add_column("what", overflow="fold")
    for row in found:
        cells = [escape(str(row[name])) for name in ("probe", "value", "since", "what")]
        if row["do"]:
            cells[-1] += f"\n[italic]do: {escape(row['do'])}[/]"
        table.add_row(f"[{_COLOURS[row['status']]}]{row['status']}[/]", *cells)
    return table


def _status(seen: Any) -> int:
    return _STATUS.get(str(seen.status), WARN)


def _ready() -> bool:
    """Whether a Prefect server is configured, and its database answers."""
    import httpx
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    url, login = PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()
    if not url:
        return False
    name, _, password = str(login or "").partition(":")
    try:
        return httpx.get(f"{url}/ready", timeout=3, auth=(name, password)).is_success
    except httpx.HTTPError:
        return False
