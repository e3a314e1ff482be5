"""Chromium, on a machine whose networks come and go."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_fixed

_PROGRAM = "/usr/bin/chromium"
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP *.test 127.0.0.1",
]  # fmt: skip


@contextmanager
def chromium() -> Generator[Browser]:
    """While it is open, Prefect takes this thread for a coroutine's.

    Chromium breaks off what it loads whenever a network of Docker is made, as other tests do.
    """
    again = retry(
        retry=retry_if_exception(_broken_off),
        stop=stop_after_attempt(5),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setattr(Page, "goto", again(Page.goto))
        opened = playwright.chromium.launch(executable_path=_PROGRAM, args=_FLAGS)
        yield opened
        opened.close()


def _broken_off(error: BaseException) -> bool:
    return isinstance(error, Error) and "net::ERR_NETWORK_CHANGED" in error.message
