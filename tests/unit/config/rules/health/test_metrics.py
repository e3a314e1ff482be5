"""Metrics as Prometheus reads them, and that dashboard and rules name only what is measured."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from config.rules.finding import Finding, Status
from config.rules.health.metrics import METRICS, text

MONITORING = Path(__file__).parents[5] / "config/monitoring"
FINDINGS = [
    Finding("postgres connections", Status.OK, "", 50.0, "%"),
    Finding("postgres size", Status.OK, "", 2.5, "GB"),
    Finding("queues", Status.OK, "", 3.0, "jobs", parts={"dataset": 3.0, 'a"b\\c\n': 0.0}),
    Finding("api", Status.FAIL, "", because="postgres"),
    Finding("web", Status.OK, "", 0.25, "s"),
    Finding("certificate", Status.WARN, "", 10.0, "days"),
]


def families() -> dict:
    content = text("prod", Status.FAIL, FINDINGS, 1_700_000_000.0, 0.5)
    return {each.name: each for each in text_string_to_metric_families(content)}


def value(name: str, **labels: str) -> float:
    return next(
        sample.value
        for sample in families()[name].samples
        if labels.items() <= sample.labels.items()
    )


def test_every_line_is_understood_and_has_help_and_type():
    found = families()
    assert all(family.type == "gauge" and family.documentation for family in found.values())
    assert value("dify_environment_status", environment="prod") == 3
    assert value("dify_probe_status", probe="api", because="postgres") == 3
    assert value("dify_health_run_timestamp_seconds") == 1_700_000_000.0


def test_values_are_in_base_units():
    assert value("dify_postgres_connections_used_ratio") == 0.5
    assert value("dify_postgres_database_size_bytes") == 2.5e9
    assert value("dify_certificate_expiry_seconds") == 864_000
    assert value("dify_http_response_seconds", service="web") == 0.25


def test_parts_become_labels_whatever_they_are_called():
    assert value("dify_celery_queue_jobs", queue="dataset") == 3
    assert value("dify_celery_queue_jobs", queue='a"b\\c\n') == 0


def test_what_was_not_measured_is_left_out():
    assert not [
        s for s in families()["dify_http_response_seconds"].samples if s.labels["service"] == "api"
    ]


def test_names_follow_the_conventions():
    for metric in METRICS.values():
        assert re.fullmatch(r"dify_[a-z_]+", metric.name)
        assert not re.search(r"_(percent|ms|gb|days|hours|total|count)$", metric.name)


def known() -> set[str]:
    return {metric.name for metric in METRICS.values()} | set(families())


def test_the_dashboard_shows_what_is_measured():
    board = json.loads((MONITORING / "dify-dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    named = {name for expression in asked for name in re.findall(r"\bdify_\w+", expression)}
    assert named <= known()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert board["uid"] and board["title"] and board["schemaVersion"]


def test_the_dashboard_is_one_grafana_draws():
    """Its panels lie beside each other on a grid of 24 columns, and every query has its letter."""
    board = json.loads((MONITORING / "dify-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["type"] in {"stat", "timeseries", "table", "state-timeline", "gauge", "row"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
        assert panel["datasource"] == {"type": "prometheus", "uid": "ds-prometheus"}
        assert all("$environment" in target["expr"] for target in panel["targets"])
    assert [each["name"] for each in board["templating"]["list"]] == ["environment"]


def test_the_rules_ask_for_what_is_measured():
    document = YAML(typ="safe").load(MONITORING / "dify-rules.yml")
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    for rule in rules:
        assert set(re.findall(r"\bdify_\w+", rule["expr"])) <= known()
        assert rule["labels"]["level"] in (0, 1, 2)
        assert rule["annotations"]["summary"].split()[1] == rule["alert"]
