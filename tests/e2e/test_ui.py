"""The people's way: open the deployment, fill in the form, run, approve, cancel, read."""

import json
import re
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.prefect_server import ENDED, Server, until


@pytest.fixture
def page(browser: Browser, logged_in: Any) -> Generator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    context.set_default_timeout(180_000)
    yield logged_in(context)
    context.close()


def picture(page: Page, name: str, folder: Path) -> None:
    page.wait_for_timeout(500)
    page.screenshot(path=folder / name)


def run_from_the_form(page: Page, server: Server, *, dry_run: bool, reason: str) -> str:
    """Fill in the form and submit it; the run's id."""
    before = server.newest()["id"]
    page.goto(f"{server.pages}/deployments/deployment/{server.deployment}/run")
    expect(page.locator("body")).to_contain_text("Why, for the history.", timeout=180_000)
    if dry_run:
        page.get_by_role("switch").first.click()
    page.locator("textarea").first.fill(reason)
    page.get_by_role("button", name="Submit").click()
    deadline = time.monotonic() + 60
    while (run := server.newest()["id"]) == before:
        assert time.monotonic() < deadline, "the form started no run"
        time.sleep(0.2)
    return run


def no_secret_in(page: Page, deployed: Any) -> None:
    text = page.content()
    for name in ("secret_key", "postgres_password", "redis_password", "admin_password"):
        assert deployed.secret(name) not in text


def test_the_pages_ask_for_the_login_once(server: Server, browser: Browser, deployed: Any) -> None:
    """Also where the browser calls the machine by another name, as behind a forwarded port."""
    for pages in (server.pages, server.pages.replace("127.0.0.1", "localhost")):
        context = browser.new_context()
        context.set_default_timeout(180_000)
        page = context.new_page()
        page.goto(f"{pages}/blocks")
        page.get_by_placeholder("admin:pass").fill(deployed.login)
        page.get_by_role("button", name="Login").click()
        expect(page.locator("body")).to_contain_text("dify-sandbox", timeout=180_000)
        page.goto(f"{pages}/work-pools/work-pool/dify-rollout")
        expect(page.locator("body")).to_contain_text("Work Queues", timeout=180_000)
        context.close()


def test_the_form_offers_what_there_is_and_fixes_the_environment(
    server: Server, page: Page, pictures: Path
) -> None:
    page.goto(f"{server.pages}/deployments/deployment/{server.deployment}/run")
    body = page.locator("body")
    expect(body).to_contain_text("A file of config/environments.", timeout=180_000)
    expect(body).to_contain_text("Only these steps; none chosen means all.")
    picture(page, "form.png", pictures)
    found = server.api.get(f"/deployments/{server.deployment}").json()["parameter_openapi_schema"]
    assert found["properties"]["environment"]["enum"] == ["sandbox"]
    assert "1.15.0" in found["properties"]["release"]["enum"]
    assert "compose" in found["properties"]["only"]["items"]["enum"]


@pytest.mark.parametrize(
    "nonsense", [{"environment": "prod"}, {"release": "9.9"}, {"only": ["everything"]}]
)
def test_the_server_itself_rejects_nonsense(server: Server, nonsense: dict[str, Any]) -> None:
    answer = server.api.post(
        f"/deployments/{server.deployment}/create_flow_run", json={"parameters": nonsense}
    )
    assert answer.status_code == httpx.codes.CONFLICT, answer.text
    assert "Error creating flow run" in answer.text or "Validation failed" in answer.text


def test_a_dry_run_started_in_the_form_leaves_its_plan(
    server: Server, page: Page, deployed: Any
) -> None:
    server.worker.restart(ROLLOUT__DIFY__LOG_LEVEL="DEBUG")
    run = run_from_the_form(page, server, dry_run=True, reason="what would it do?")
    ended = server.wait(run, lambda found: found["state_type"] in ENDED)
    assert ended["state_type"] == "COMPLETED"
    [plan] = server.artifacts(run)
    assert "LOG_LEVEL" in plan["data"]
    assert "recreate worker_beat" in plan["data"]
    page.goto(f"{server.pages}/artifacts/artifact/{plan['id']}")
    expect(page.locator("body")).to_contain_text("recreate worker_beat", timeout=180_000)
    no_secret_in(page, deployed)


def test_a_protected_run_waits_for_a_person_and_then_does_exactly_the_plan(
    server: Server, page: Page, deployed: Any, pictures: Path
) -> None:
    server.worker.restart(ROLLOUT__DIFY__LOG_LEVEL="DEBUG", ROLLOUT__PROTECTED="true")
    run = run_from_the_form(page, server, dry_run=False, reason="noise wanted")
    server.wait(run, lambda found: found["state_name"] == "Suspended")
    env = deployed.home / "sandbox" / "stack" / ".env"
    assert "LOG_LEVEL=INFO" in env.read_text()
    _resume(page, server, run, by="Ada Lovelace", reason="debugging the importer")
    picture(page, "approval.png", pictures)
    no_secret_in(page, deployed)
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    ended = server.wait(run, lambda found: found["state_type"] in ENDED)
    assert ended["state_type"] == "COMPLETED"
    assert "LOG_LEVEL=DEBUG" in env.read_text()
    assert ended["labels"]["rollout.approved_by"] == "Ada Lovelace"
    [row] = deployed.json("history", "sandbox", "--limit", "1")["deploys"]
    assert (row["approved_by"], row["reason"]) == ("Ada Lovelace", "debugging the importer")
    assert row["state"] == "Completed"
    plans = [found for found in server.artifacts(run) if found["key"] == "plan-sandbox"]
    assert row["changes"] == len(json.loads(plans[0]["data"])) >= 5
    page.goto(f"{server.pages}/runs/flow-run/{run}")
    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.locator("body")).to_contain_text("verification-sandbox", timeout=180_000)
    picture(page, "run.png", pictures)


def test_an_approval_is_void_when_the_world_has_changed(
    server: Server, page: Page, deployed: Any
) -> None:
    """What runs is what was shown: with another hand's edit in between, the run asks again."""
    server.worker.restart(ROLLOUT__DIFY__LOG_LEVEL="WARNING", ROLLOUT__PROTECTED="true")
    run = run_from_the_form(page, server, dry_run=False, reason="less noise")
    first = server.wait(run, lambda found: found["state_name"] == "Suspended")
    env = deployed.home / "sandbox" / "stack" / ".env"
    env.write_text(env.read_text().replace("LOG_LEVEL=", "BY_HAND=1\nLOG_LEVEL=", 1))
    _resume(page, server, run, by="Ada Lovelace", reason="less noise, please")
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    second = server.wait(
        run,
        lambda found: found["state_name"] == "Suspended" and found["state_id"] != first["state_id"],
    )
    assert second["empirical_policy"]["pause_keys"] != first["empirical_policy"]["pause_keys"]
    assert "LOG_LEVEL=DEBUG" in env.read_text()
    page.goto(f"{server.pages}/runs/flow-run/{run}")
    page.get_by_role("button", name="Resume").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("BY_HAND", timeout=180_000)
    server.api.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLED"}})


def test_cancelling_ends_the_children_and_the_next_run_finishes_the_job(
    server: Server, page: Page, deployed: Any
) -> None:
    server.worker.restart(ROLLOUT__DIFY__LOG_LEVEL="ERROR")
    run = run_from_the_form(page, server, dry_run=False, reason="cancelled halfway")
    mark = f"--project-directory {deployed.home / 'sandbox'}"
    until(lambda: bool(_running(f"{mark}.* up --detach")), within_s=180)
    page.goto(f"{server.pages}/runs/flow-run/{run}")
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_role("button", name="Confirm").click()
    ended = server.wait(run, lambda found: found["state_type"] in ENDED)
    assert ended["state_type"] == "CANCELLED"
    until(lambda: not _running(mark))
    server.worker.restart()
    deployed.rollout("deploy", "sandbox")
    assert deployed.json("deploy", "sandbox")["changes"] == 0


def _resume(page: Page, server: Server, run: str, *, by: str, reason: str) -> None:
    """Open the dialogue of a waiting run and fill it in; the plan is shown above the form."""
    page.goto(f"{server.pages}/runs/flow-run/{run}")
    page.get_by_role("button", name="Resume").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile("set LOG_LEVEL in .env"), timeout=180_000)
    dialog.locator("textarea").nth(0).fill(by)
    dialog.locator("textarea").nth(1).fill(reason)


def _running(pattern: str) -> str:
    return subprocess.run(["pgrep", "-f", "--", pattern], capture_output=True, text=True).stdout
