"""Which bad probe explains which."""

from config.rules.finding import Finding, Status
from config.rules.health.verdict import explained

OK, FAIL = Status.OK, Status.FAIL


def test_what_needs_a_bad_probe_is_explained_by_the_root():
    findings = [
        Finding("machine", OK, ""),
        Finding("postgres", FAIL, "", needs=("machine",)),
        Finding("api", FAIL, "", needs=("portal", "postgres")),
        Finding("worker", OK, "", needs=("postgres",)),
        Finding("run", FAIL, "", needs=("api",)),
    ]
    because = {finding.probe: finding.because for finding in explained(findings)}
    assert because == {
        "machine": "",
        "postgres": "",
        "api": "postgres",
        "worker": "",
        "run": "postgres",
    }


def test_a_probe_that_was_bad_a_moment_ago_still_explains():
    """It may have come back between two questions of one round."""
    findings = [Finding("redis", OK, ""), Finding("worker", FAIL, "", needs=("redis",))]
    assert explained(findings, ["redis"])[1].because == "redis"
    assert explained(findings)[1].because == ""


def test_probes_that_need_each_other_end():
    findings = [Finding("a", FAIL, "", needs=("b",)), Finding("b", FAIL, "", needs=("a",))]
    assert [finding.because for finding in explained(findings)] == ["b", "a"]
