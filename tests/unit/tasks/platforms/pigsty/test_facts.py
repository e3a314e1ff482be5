"""Whether pigsty.yml leads Ansible to the address itself, or by another way."""

import pytest

from tasks.platforms.pigsty import facts

TEXT = """all:
  children:
    infra: {{ hosts: {{ 10.0.0.1: {{ {host} }}, 10.0.0.2: {{ ansible_host: 192.0.2.1 }} }} }}
  vars: {{ {common} }}
"""


@pytest.mark.parametrize(
    "values",
    [
        "",
        "ansible_user: dba, ansible_ssh_private_key_file: /root/.ssh/id",
        "ansible_become_password: secret, ansible_python_interpreter: /usr/bin/python3",
        "ansible_ssh_common_args: -o StrictHostKeyChecking=no -o LogLevel=ERROR",
    ],
)
def test_who_logs_in_is_no_other_way(values, leads):
    assert not leads(host=values) and not leads(common=values)


@pytest.mark.parametrize(
    "values",
    [
        "ansible_host: 10.0.0.9",
        "ansible_port: 2222",
        "ansible_connection: docker",
        "ansible_ssh_common_args: -J bastion",
        "ansible_ssh_common_args: -o ProxyCommand=nc",
        "ansible_ssh_extra_args: -p 2222",
    ],
)
def test_another_host_port_or_jump_is(values, leads):
    assert leads(host=values) and leads(common=values)


@pytest.fixture
def leads(monkeypatch):
    def ask(host="", common=""):
        text = TEXT.format(host=host, common=common)
        monkeypatch.setattr(facts, "inventory", lambda _: text)
        return facts.reached_its_own_way(None, "10.0.0.1")

    return ask
