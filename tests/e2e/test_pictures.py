"""What a person sees: runs, health and other pages of the Prefect UI, the page behind the domain.

With `ROLLOUT_PICTURES=docs/images` the screenshots become those of the README.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect


@pytest.fixture
def page(browser: Browser, logged_in: Any) -> Generator[Page]:
    # The sandbox's own authority is not in Chromium's store; that it verifies is another test.
    context = browser.new_context(viewport={"width": 1280, "height": 860}, ignore_https_errors=True)
    yield logged_in(context)
    context.close()


def picture(page: Page, name: str, pictures: Path) -> None:
    page.screenshot(path=pictures / name)
    assert (pictures / name).stat().st_size > 10_000


def test_the_page_behind_the_domain_says_it_is_a_rehearsal(
    deployed: Any, page: Page, pictures: Path
) -> None:
    port = deployed.variables["ROLLOUT__PORTAL__HTTPS_PORT"]
    page.goto(f"https://{deployed.domain}:{port}/")
    expect(page.locator("body")).to_contain_text("ehearsal")
    expect(page.locator("body")).to_contain_text("finished", timeout=120_000)
    picture(page, "page.png", pictures)


def test_the_run_is_seen_in_the_prefect_ui_without_any_secret(
    deployed: Any, page: Page, pictures: Path
) -> None:
    with deployed.api() as api:
        runs = api.post("/flow_runs/filter", json={"sort": "START_TIME_ASC"}).json()
    page.goto(f"{deployed.api_url.removesuffix('/api')}/runs/flow-run/{runs[0]['id']}")
    expect(page.locator("body")).to_contain_text("deploy sandbox", timeout=120_000)
    expect(page.locator("body")).to_contain_text("Completed", timeout=120_000)
    expect(page.locator("body")).to_contain_text("14 Task runs", timeout=120_000)
    page.wait_for_timeout(2000)
    picture(page, "prefect-run.png", pictures)


def test_people_land_in_the_ui_that_can_approve(deployed: Any, page: Page) -> None:
    page.goto(pages(deployed))
    expect(page.locator("body")).to_contain_text("Switch to V2 UI", timeout=120_000)


def test_health_is_a_page_that_tells_what_matters_first(
    deployed: Any, page: Page, pictures: Path
) -> None:
    deployed.rollout("health", "sandbox", check=False)
    [found, *_] = artifacts(deployed, key={"any_": ["health-sandbox"]})
    page.goto(f"{pages(deployed)}/{found}")
    expect(page.locator("body")).to_contain_text("probe", timeout=120_000)
    page.wait_for_timeout(2000)
    picture(page, "health.png", pictures)


PAGES = (
    "dashboard", "runs", "flows", "deployments", "work-pools/work-pool/dify-rollout", "blocks",
    "variables", "automations", "events", "artifacts", "concurrency-limits", "settings",
)  # fmt: skip


@pytest.mark.long
def test_no_page_shows_a_secret(deployed: Any, page: Page) -> None:
    """Not even the block that holds them all, nor the settings of the server."""
    # Another machine with an environment of this name, purged, took the block along.
    deployed.rollout("deploy", "sandbox")
    names = deployed.rollout("secrets", "sandbox").stdout.split()
    secrets = {name: deployed.secret(name) for name in names}
    kept = deployed.home / "sandbox" / "prefect" / "database-password"
    secrets["database of Prefect"] = kept.read_text().strip()
    secrets["login of Prefect"] = deployed.login
    texts = {
        where: shown(page, f"{pages(deployed)}/{where}")
        for where in (*PAGES, *blocks(deployed), *artifacts(deployed))
    }
    assert [
        f"{name} on {where}"
        for where, text in texts.items()
        for name, value in secrets.items()
        if value in text
    ] == []


def pages(deployed: Any) -> str:
    return str(deployed.api_url.removesuffix("/api"))


def shown(page: Page, url: str) -> str:
    page.goto(url)
    expect(page.locator("body")).not_to_be_empty()
    page.wait_for_load_state("networkidle")
    return page.content()


def blocks(deployed: Any) -> list[str]:
    with deployed.api() as api:
        found = api.post("/block_documents/filter", json={}).json()
    assert any(block["block_type"]["slug"] == "dify-secrets" for block in found)
    return [f"blocks/block/{block['id']}{edit}" for block in found for edit in ("", "/edit")]


def artifacts(deployed: Any, **which: Any) -> list[str]:
    """The newest first."""
    body = {"sort": "CREATED_DESC", "limit": 6, "artifacts": which}
    with deployed.api() as api:
        found = api.post("/artifacts/filter", json=body).json()
    return [f"artifacts/artifact/{artifact['id']}" for artifact in found]
