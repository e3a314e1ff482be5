"""What health measures, through a real node exporter into a real Prometheus with our rules."""

import json
import subprocess
import time
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from config.load import ROOT
from config.rules.finding import Finding, Status
from config.rules.health.metrics import METRICS, text
from tests.ports import free_ports

MONITORING = ROOT / "config/monitoring"
RULES, BOARD = MONITORING / "dify-rules.yml", MONITORING / "dify-dashboard.json"


def findings() -> list[Finding]:
    """Every probe that is measured; the API fails because of PostgreSQL, the backup is overdue."""
    measured = [Finding(name, Status.OK, "", 1.0, parts={"one": 1.0}) for name in METRICS]
    other = {
        "postgres": Finding("postgres", Status.FAIL, "refused"),
        "api": Finding("api", Status.FAIL, "", 1.0, because="postgres"),
        "restore point": Finding("restore point", Status.FAIL, "", 72.0, "h old"),
    }
    return [*(each for each in measured if each.probe not in other), *other.values()]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Its address; it has scraped what a health run wrote."""
    folder, (port, exporter) = tmp_path_factory.mktemp("prometheus"), free_ports(2)
    content = text("prod", Status.FAIL, findings(), time.time() - 3600, 0.5)
    (folder / "metrics").mkdir()
    (folder / "metrics/dify-prod.prom").write_text(content)
    job = {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    commands = [
        [
            "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}",
            "--collector.disable-defaults", "--collector.textfile",
            f"--collector.textfile.directory={folder}/metrics",
        ],
        [
            "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
        ],
    ]  # fmt: skip
    running: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log").open("wb") as log:
            running += [subprocess.Popen(words, stdout=log, stderr=log) for words in commands]
        url = f"http://127.0.0.1:{port}/api/v1"
        until(lambda: ask(url, "dify_environment_status"), (folder / "log").read_text)
        yield url
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


def until(found: Callable[[], Any], told: Callable[[], str] = str) -> Any:
    deadline = time.monotonic() + 30
    while not (seen := found()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.2)
    return seen


def ask(url: str, query: str) -> list[dict[str, Any]]:
    """What the query finds: nothing from a server that is not up yet or still reads its log."""
    try:
        answer = httpx.get(f"{url}/query", params={"query": query}, timeout=5)
    except httpx.TransportError:
        return []
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return []
    return answer.raise_for_status().json()["data"]["result"]


def test_a_value_comes_back_as_it_was_measured(prometheus: str):
    [found] = ask(prometheus, 'dify_restore_point_age_seconds{environment="prod"}')
    assert float(found["value"][1]) == 72 * 3600


def test_alerts_fire_for_causes_and_not_for_what_they_explain(prometheus: str):
    def alerts() -> dict[tuple[str, str], str]:
        found = httpx.get(f"{prometheus}/alerts").json()["data"]["alerts"]
        return {(a["labels"]["alertname"], a["labels"].get("probe", "")): a["state"] for a in found}

    until(lambda: ("DifyProbeFails", "postgres") in alerts())
    seen = alerts()
    assert seen["DifyHealthMissing", ""] == seen["DifyBackupOverdue", ""] == "firing"
    assert seen["DifyProbeFails", "postgres"] == "pending"  # for a minute
    assert ("DifyProbeFails", "api") not in seen


def test_every_panel_of_the_dashboard_shows_something(prometheus: str):
    board = json.loads(BOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    empty = [
        query
        for query in queries
        if not ask(
            prometheus,
            query.replace("$environment", "prod").replace("$__rate_interval", "5m"),
        )
    ]
    assert empty == []


def test_promtool_finds_nothing():
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
