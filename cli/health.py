"""`rollout health`: through the flow where a Prefect server is ready, else by itself.

What is asked may be what Prefect itself runs on: an answer must come also when that is down.
"""

import ssl
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from rich.live import Live

from cli import output, runs
from clients.running import pause
from config.load import environment_names

if TYPE_CHECKING:
    from tasks.probes.health.ask import Checkup

OK, WARN, FAIL = 0, 3, 4
_STATUS = {"ok": OK, "fail": FAIL}


def once(environment: str, *, as_json: bool) -> int:
    """The exit status that tells how the environment is."""
    with runs.server(environment):
        if _ready():
            seen = runs.health(environment)
        else:
            with _without_server(environment) as ask:
                seen = ask()
            if not as_json:
                output.say("Prefect does not answer: nothing is remembered, and nobody told")
    _show(seen, as_json=as_json)
    return _status(seen)


def watch(environment: str, *, every_s: float, as_json: bool) -> int:
    """Look until interrupted; how it was at last. Nothing is remembered: people watch already."""
    runs.collect_garbage_again()
    status = WARN
    with suppress(KeyboardInterrupt), runs.server(environment), _shown(as_json=as_json) as show:
        while True:
            # Asked each time: what is watched may be what Prefect runs on.
            with (_peeking if _ready() else _without_server)(environment) as ask:
                seen = ask()
            status = _status(seen)
            show(seen)
            pause(every_s)
    return status


@contextmanager
def _shown(*, as_json: bool) -> "Generator[Callable[[Checkup], None]]":
    """On a terminal one table that changes, anywhere else a line each time."""
    from cli import health_output
    from flows.parts.health_report import as_json as dumped

    if as_json or not sys.stdout.isatty():
        yield (
            lambda seen: (
                output.json_line(dumped(seen)) if as_json else output.say(health_output.line(seen))
            )
        )
        return
    with Live(console=health_output.console(), auto_refresh=False) as live:
        yield lambda seen: live.update(health_output.brief(seen), refresh=True)


def fleet(names: list[str], *, at_once: int, as_json: bool) -> int:
    """The exit status of the worst."""
    found = runs.fleet(names or environment_names(), at_once=at_once)
    from config.rules.finding import worst
    from flows.parts.health_report import page_rows

    rows, status = page_rows(found), str(worst(each.status for each in found))
    if as_json:
        output.json_line({"status": status, "environments": rows})
    else:
        output.table(rows, f"{len(rows)} environments, the worst is {status}")
    return _STATUS.get(status, WARN)


@contextmanager
def _peeking(environment: str) -> "Generator[Callable[[], Checkup]]":
    from flows.parts.opening import read_only
    from tasks.probes.health.record import peek

    yield partial(peek, read_only(environment))


@contextmanager
def _without_server(environment: str) -> "Generator[Callable[[], Checkup]]":
    """A look without Prefect: with the secrets the machine has, and no past."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from config.rules.health.record import Record
    from flows.parts.opening import read_only
    from tasks.probes.health.ask import ask

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield partial(ask, read_only(environment), Record())


def _show(seen: "Checkup", *, as_json: bool) -> None:
    from cli import health_output
    from flows.parts.health_report import as_json as dumped

    if as_json:
        output.json_line(dumped(seen))
    else:
        health_output.console().print(health_output.whole(seen))


def _status(seen: "Checkup") -> int:
    return _STATUS.get(str(seen.status), WARN)


def _ready() -> bool:
    """Whether a Prefect server is configured, and its database answers."""
    import httpx
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
    )

    url, login = PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()
    authority = PREFECT_API_SSL_CERT_FILE.value()
    if not url:
        return False
    name, _, password = str(login or "").partition(":")
    try:
        trust = ssl.create_default_context(cafile=authority) if authority else True
        return httpx.get(f"{url}/ready", timeout=3, auth=(name, password), verify=trust).is_success
    except (httpx.HTTPError, OSError):
        return False
