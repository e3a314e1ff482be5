"""The graph of a run, as the server has it and as its UI draws it.

With `ROLLOUT_PICTURES=docs/images` the pictures become those of the documentation.
"""

import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tasks.steps.table import STACK, STATE, TABLE, edges

Edges = Mapping[str, set[str]]


def chain(*names: str, after: str = "") -> dict[str, set[str]]:
    """Each waits for the one before it."""
    return {name: {before} - {""} for before, name in zip((after, *names), names, strict=False)}


def beside(*names: str, after: str = "") -> dict[str, set[str]]:
    """All wait for the same."""
    return {name: {after} - {""} for name in names}


SAVES = ("save database", "save plugin-database", "save files")
ASKS = ("ask machine", "ask state", "ask services", "ask upkeep")
GRAPHS: dict[str, Edges] = {
    "deploy": {row.name: set(row.after) for row in TABLE},
    "backup": {
        **chain("repository", "views"),
        **beside(*SAVES, after="views"),
        "manifest": set(SAVES),
        **chain("recovery kit", "check repository", "prune points", after="manifest"),
    },
    "restore": {
        "choose": set(),
        **{name: set(before) or {"choose"} for name, before in edges(STATE).items()},
        "fits": {"pgsql", "redis", "images"},
        **chain(
            "begin restore", "restore database", "restore plugin-database", "restore files",
            "close portal", "stop services", "safety point", "exchange", "secrets",
            *STACK, "verify", "reopen portal", "settle", after="fits",
        ),
    },
    "drill": chain(
        "choose", "begin drill", "drill database", "drill plugin-database", "drill files",
        "start drill", "prove drill", "clear drill",
    ),
    "health": {**beside(*ASKS), "record": set(ASKS)},
}  # fmt: skip
ANEW = ("deploy", "health")


@pytest.fixture(scope="module")
def runs(deployed: Any) -> dict[str, str]:
    """The newest run of each flow that went well and did all of it; made where there is none."""
    found: dict[str, str] = {}
    for flow in GRAPHS:
        if flow in ANEW or not newest(deployed, flow):
            deployed.rollout(
                flow, "sandbox", *(["--yes"] if flow == "restore" else []), check=False
            )
        found[flow] = newest(deployed, flow)
    return found


def newest(deployed: Any, flow: str) -> str:
    """The id of a whole run; empty if there is none."""
    wanted = {
        "sort": "START_TIME_DESC",
        "flows": {"name": {"any_": [flow]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}, "name": {"like_": "sandbox"}},
    }
    with deployed.api() as api:
        found = api.post("/flow_runs/filter", json=wanted).json()
    whole = [run["id"] for run in found if not run["parameters"].get("only")]
    return whole[0] if whole else ""


def graph(deployed: Any, run: str, count: int) -> Edges:
    """Task → the tasks it waits for, as soon as the server shows `count` completed ones."""
    deadline = time.monotonic() + 30
    while True:
        with deployed.api() as api:
            nodes = dict(api.get(f"/flow_runs/{run}/graph-v2").raise_for_status().json()["nodes"])
        done = [node for node in nodes.values() if node["state_type"] == "COMPLETED"]
        if len(done) >= count or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    names = {key: node["label"].removesuffix(" sandbox") for key, node in nodes.items()}
    return {
        names[key]: {names[parent["id"]] for parent in node["parents"]}
        for key, node in nodes.items()
    }


@pytest.mark.parametrize("flow", GRAPHS)
def test_the_server_has_every_step_with_what_it_waits_for(
    deployed: Any, runs: dict[str, str], flow: str
) -> None:
    assert graph(deployed, runs[flow], len(GRAPHS[flow])) == GRAPHS[flow]


def test_nothing_is_tried_twice_on_a_quiet_system(deployed: Any, runs: dict[str, str]) -> None:
    quiet = [runs[flow] for flow in ("deploy", "backup", "health")]
    with deployed.api() as api:
        wanted = {"flow_runs": {"id": {"any_": quiet}}}
        tasks = api.post("/task_runs/filter", json=wanted).json()
    assert len(tasks) == sum(len(GRAPHS[flow]) for flow in ("deploy", "backup", "health"))
    assert {task["name"]: task["run_count"] for task in tasks if task["run_count"] != 1} == {}


@pytest.fixture
def page(browser: Browser, logged_in: Any) -> Generator[Page]:
    context = browser.new_context()
    yield logged_in(context)
    context.close()


@pytest.mark.parametrize("flow", GRAPHS)
def test_the_ui_draws_every_step(
    deployed: Any, runs: dict[str, str], page: Page, pictures: Path, flow: str
) -> None:
    # The UI draws a graph as large as its height allows: what is wider stays empty.
    width = min(350 + 170 * columns(GRAPHS[flow]), 1900)
    page.set_viewport_size({"width": width, "height": 860})
    page.goto(f"{deployed.api_url.removesuffix('/api')}/runs/flow-run/{runs[flow]}")
    expect(page.locator("body")).to_contain_text(f"{len(GRAPHS[flow])} Task runs", timeout=30_000)
    page.get_by_label("Run Graph Options").click()
    page.get_by_text("Dependency grid").click()
    page.get_by_label("Run Graph Options").click()
    page.wait_for_timeout(1500)
    page.locator("canvas").first.screenshot(path=pictures / f"graph-{flow}.png")
    assert (pictures / f"graph-{flow}.png").stat().st_size > 10_000


def columns(graph: Edges) -> int:
    """The number of tasks that wait for each other in turn."""

    def column(name: str) -> int:
        return 1 + max((column(each) for each in graph[name]), default=0)

    return max(map(column, graph))
