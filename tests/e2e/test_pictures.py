"""What a person sees: the run in the Prefect UI and the page behind the domain.

With `ROLLOUT_PICTURES=docs/images` the screenshots become those of the README.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    # The sandbox's own authority is not in Chromium's store; that it verifies is another test.
    context = browser.new_context(viewport={"width": 1280, "height": 860}, ignore_https_errors=True)
    yield context.new_page()
    context.close()


def picture(page: Page, name: str, pictures: Path) -> None:
    page.screenshot(path=pictures / name)
    assert (pictures / name).stat().st_size > 10_000


def test_the_page_behind_the_domain_says_it_is_a_rehearsal(
    deployed: Any, page: Page, pictures: Path
) -> None:
    port = deployed.variables["ROLLOUT__PORTAL__HTTPS_PORT"]
    page.goto(f"https://e2e.test:{port}/")
    expect(page.locator("body")).to_contain_text("ehearsal")
    expect(page.locator("body")).to_contain_text("finished", timeout=15_000)
    picture(page, "page.png", pictures)


def test_the_run_is_seen_in_the_prefect_ui_without_any_secret(
    deployed: Any, page: Page, pictures: Path
) -> None:
    runs = httpx.post(
        f"{deployed.api_url}/flow_runs/filter", json={"sort": "START_TIME_ASC"}, timeout=10
    ).json()
    page.goto(f"{deployed.api_url.removesuffix('/api')}/runs/flow-run/{runs[0]['id']}")
    expect(page.locator("body")).to_contain_text("deploy sandbox", timeout=30_000)
    expect(page.locator("body")).to_contain_text("Completed", timeout=30_000)
    expect(page.locator("body")).to_contain_text("14 Task runs", timeout=30_000)
    page.wait_for_timeout(2000)
    picture(page, "prefect-run.png", pictures)
    text = page.content()
    for name in ("secret_key", "postgres_password", "admin_password"):
        assert deployed.secret(name) not in text
