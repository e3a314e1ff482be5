"""What real Pigsty 4.5 printed in the lab, and what it is taken for."""

from pathlib import Path

import pytest

from tasks.tools.ansible import Host, NoAnswer, Played, answer, parse

RECORDED = Path(__file__).parents[3] / "recorded"
NODE, AWAY = "172.30.70.10", "172.30.70.99"


def recorded(name: str) -> str:
    return (RECORDED / f"pigsty-{name}.txt").read_text()


def played(name: str) -> Played:
    return parse(recorded(name))


@pytest.mark.parametrize(
    "name", ["pgsql-user", "pgsql-db", "redis-add", "docker", "pgsql-db-owner-missing"]
)
def test_what_went_well_has_a_host_and_nothing_fatal(name):
    found = played(name)
    assert found.ran and found.tasks > 5 and not found.fatal
    assert found.hosts[NODE].ok > 0 and found.hosts[NODE].failed == 0


@pytest.mark.parametrize(
    ("name", "task", "why"),
    [
        ("redis-bad-memory", "redis : launch redis-lab-1-6390 @ 172.30.70.10", "journalctl"),
        ("portal-no-endpoint", "infra : render nginx server conf", "expect the file"),
        ("portal-reload-bad", "infra : reload nginx service", "journalctl"),
        ("portal-launch-bad", "infra : restart nginx service", "journalctl"),
        ("hba-bad-address", "pgsql : render postgres hba rules", "invalid addr name: db.example"),
        ("wrong-sudo", "pgsql : render postgres hba rules", "Missing sudo password"),
    ],
)  # fmt: skip
def test_what_failed_says_where_and_why(name, task, why):
    found = played(name)
    assert found.hosts[NODE].failed == 1
    assert [failure.task for failure in found.fatal] == [task]
    assert why in found.fatal[0].why


def test_a_message_of_several_lines_is_kept_whole():
    (failure,) = played("portal-reload-bad").fatal
    assert failure.why == (
        'Unable to reload service nginx: Job for nginx.service failed. See "systemctl status '
        'nginx.service" and "journalctl -xeu nginx.service" for details.'
    )
    missing = played("portal-no-endpoint").fatal[0].why
    assert missing.startswith("could not find src=") and missing.endswith(
        "see the remote_src option"
    )


def test_what_a_download_says_of_its_progress_is_left_out():
    grafana = played("pgsql-db").failures[0]
    assert "Couldn't connect to server" in grafana.why and "--:--" not in grafana.why


def test_what_pigsty_ignores_is_known_all_the_same():
    ignored = [failure for failure in played("pgsql-db-owner-missing").failures if failure.ignored]
    assert len(ignored) == 2 and "grafana" in ignored[1].task
    assert played("pgsql-db-owner-missing").hosts[NODE].ignored == 2


def test_a_machine_that_is_not_there():
    found = played("unreachable")
    assert found.unreachable == (AWAY,) and found.hosts == {AWAY: Host(ok=6, unreachable=1)}
    assert "No route to host" in found.failures[0].why


@pytest.mark.parametrize("name", ["broken-inventory", "wrong-cwd"])
def test_success_with_no_host_at_all(name):
    assert "complete" in recorded(name)
    assert not played(name).ran


def test_a_cluster_that_is_not_in_the_inventory():
    assert "leaves us with no hosts to target" in played("nosuch-cluster").refusal


def test_answers_of_one_machine():
    assert answer(recorded("ask-failing"), NODE).status == 2
    assert "No such file" in answer(recorded("ask-missing-program"), NODE).stderr
    assert answer(recorded("ask-multiline"), NODE).stdout.startswith('PRETTY_NAME="Debian')


@pytest.mark.parametrize(
    ("name", "why"),
    [("ask-wrong-sudo", "sudo"), ("ask-unreachable", "No route"), ("ask-unknown-host", "no such")],
)
def test_a_machine_that_gives_no_answer(name, why):
    with pytest.raises(NoAnswer, match=why):
        answer(recorded(name), AWAY if "unreachable" in name else NODE)
