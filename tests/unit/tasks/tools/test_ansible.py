"""What Ansible printed, recorded from ansible-core 2.14, and what it is taken for."""

from pathlib import Path

import pytest

from clients.command import Completed
from tasks.tools.ansible import (
    Host,
    NoAnswer,
    answer,
    lacks_sudo,
    parse,
    plain,
    task_of,
    variables,
    way_on,
)

RECORDED = Path(__file__).parents[2] / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / f"ansible-{name}.txt").read_text()


def test_the_wrong_directory_is_success_without_any_host():
    played = parse(recorded("wrong-cwd"))
    assert "complete" in recorded("wrong-cwd")
    assert not played.ran and played.tasks == 0 and played.failures == ()


def test_a_cluster_that_is_not_there_is_ansibles_own_refusal():
    played = parse(recorded("no-such-cluster"))
    assert not played.ran
    assert "leaves us with no hosts to target" in played.refusal


def test_a_failed_assertion_over_several_lines_is_told_by_its_message():
    played = parse(recorded("user-unknown"))
    assert played.ran and played.tasks == 3
    assert played.hosts == {"127.0.0.1": Host(ok=2, failed=1)}
    (failure,) = played.fatal
    assert str(failure) == (
        "validate user definition on 127.0.0.1: define user nosuch in pg_users first"
    )


def test_a_machine_that_stops_to_answer_is_not_reached_and_lacks_no_sudo():
    why = "Timeout (17s) waiting for privilege escalation prompt: "
    played = parse(
        "TASK [redis : create redis directories] ****\n"
        f'fatal: [10.0.0.1]: FAILED! => {{"msg": "{why}"}}\n'
        "PLAY RECAP ****\n10.0.0.1 : ok=11 changed=1 unreachable=0 failed=1\n"
    )
    assert played.unreachable == ("10.0.0.1",)
    assert not lacks_sudo(why) and lacks_sudo("Missing sudo password")


def test_what_the_playbook_ignores_is_a_failure_all_the_same():
    played = parse(recorded("ignored"))
    assert [(f.task, f.ignored) for f in played.failures] == [
        ("create postgres user dify", True),
        ("register grafana", True),
        ("fail item", False),
        ("fail item", False),
    ]
    assert "Failed to connect to 127.0.0.1 port 1" in played.failures[1].why
    assert len(played.fatal) == 2


def test_a_host_that_is_not_reached_says_why():
    played = parse(recorded("unreachable"))
    assert played.unreachable == ("127.0.0.9",)
    assert "Connection refused" in played.fatal[0].why


def test_several_playbooks_of_one_command_count_together():
    played = parse(recorded("user-unknown") + recorded("user-unknown"))
    assert played.hosts["127.0.0.1"] == Host(ok=4, failed=2)


def test_a_task_is_known_by_its_line_and_colours_are_taken_off():
    assert task_of("TASK [redis : install] *****") == "redis : install"
    assert task_of("ok: [10.10.10.10]") is None
    assert plain("\x1b[0;32m OK \x1b[0m done") == " OK  done"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("10.0.0.1 | CHANGED | rc=0 | (stdout) dm0K", Completed(0, "dm0K", "")),
        ("10.0.0.1 | CHANGED | rc=0 | (stdout) ", Completed(0, "", "")),
        (
            "[WARNING]: noise\n10.0.0.1 | CHANGED | rc=0 | (stdout)  (stderr) syntax is ok",
            Completed(0, "", "syntax is ok"),
        ),
        (
            '10.0.0.1 | FAILED! => {"cmd": ["ls"],"msg": "non-zero return code","rc": 2,'
            '"stderr": "ls: no such file","stdout": ""}',
            Completed(2, "", "ls: no such file"),
        ),
    ],
)
def test_how_a_command_on_one_node_ended(output: str, expected: Completed):
    assert answer(output, "10.0.0.1") == expected


def test_of_several_nodes_asked_at_once_each_has_its_answer():
    output = (
        "10.0.0.11 | CHANGED | rc=0 | (stdout) other\n"
        "10.0.0.2 | UNREACHABLE!: ssh: connect: Connection refused\n"
        "10.0.0.1 | CHANGED | rc=0 | (stdout) mine\n"
    )
    assert answer(output, "10.0.0.1").stdout == "mine"
    assert answer(output, "10.0.0.11").stdout == "other"
    with pytest.raises(NoAnswer, match="refused"):
        answer(output, "10.0.0.2")
    with pytest.raises(NoAnswer, match="no such node"):
        answer(output, "10.0.0.3")


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("10.0.0.1 | UNREACHABLE!: ssh: connect: Connection refused", "Connection refused"),
        ("[WARNING]: No hosts matched, nothing to do", "no such node in pigsty.yml"),
        ('10.0.0.1 | FAILED! => {"msg": "Missing sudo password"}', "Missing sudo password"),
        ("ERROR! the playbook could not be found", "could not be found"),
    ],
)
def test_a_node_that_did_not_run_it_says_why(output: str, why: str):
    with pytest.raises(NoAnswer, match=why):
        answer(output, "10.0.0.1")


@pytest.mark.parametrize("version", ["2.14", "2.19"])
def test_variables_are_what_ansible_resolves(version: str) -> None:
    found = variables(recorded(f"hostvars-{version}"))
    assert found["10.9.9.9"]["pg_users"] == [{"name": "a", "password": "Inline-Vault-Secret"}]


@pytest.mark.parametrize(
    "printed",
    [
        "ERROR! Attempting to decrypt but no vault secrets found",
        "[ERROR]: Attempting to decrypt but no vault secrets found",
        '10.0.0.1 | FAILED! => {"msg": "Attempting to decrypt but no vault secrets found"}',
    ],
)
def test_variables_that_cannot_be_resolved_are_not_no_variables(printed: str) -> None:
    with pytest.raises(NoAnswer, match="no vault secrets found"):
        variables(printed)


@pytest.mark.parametrize(
    ("why", "advice"),
    [
        ("Missing sudo password", "become root by sudo without a password"),
        ("sudo: a password is required", "become root by sudo"),
        ("Failed to connect to the host via ssh: No route to host", "log in from admin by ssh"),
        ("Permission denied (publickey,password).", "log in from admin by ssh"),
        ("Failed to create temporary directory. … No space left", "the login itself went well"),
    ],
)
def test_the_way_on_is_that_of_the_cause(why: str, advice: str) -> None:
    assert advice in way_on(why, "admin")


def test_what_stopped_a_run_is_told_before_what_it_passed_over() -> None:
    failed = parse(
        'TASK [first] ***\nfatal: [a]: FAILED! => {"msg": "passed over"}\n...ignoring\n'
        'TASK [second] ***\nfatal: [a]: FAILED! => {"msg": "stopped"}\n'
        "PLAY RECAP ***\na : ok=1 changed=0 unreachable=0 failed=1 ignored=1\n"
    )
    assert failed.reason == "second on a: stopped" and failed.last == "second"


def test_a_run_that_was_cut_off_has_tasks_and_no_recap() -> None:
    cut_off = parse("TASK [first] ***\nok: [a]\nTASK [second] ***\n")
    assert (cut_off.ran, cut_off.tasks, cut_off.last) == (False, 2, "second")
