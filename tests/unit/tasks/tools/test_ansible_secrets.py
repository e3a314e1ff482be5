"""What of Ansible's output is hidden, from recorded answers of ansible-core 2.14 and 2.19."""

import json
from pathlib import Path

import pytest

from tasks.tools.ansible_secrets import Mask, resolved, written

RECORDED = Path(__file__).parents[2] / "recorded"


@pytest.mark.parametrize("name", ["2.14", "2.19", "lines"])
def test_secrets_are_those_ansible_resolves(name: str):
    """A vaulted file, a value vaulted in place, one made of another, in a list, of one host."""
    found = resolved((RECORDED / f"ansible-hostvars-{name}.txt").read_text())
    assert found >= {
        "Whole-File-Secret",
        "Inline-Vault-Secret",
        "Tem-plated-Secret",
        "Group-Vars-Secret",
        "Host-Secret",
    }
    assert not found & {"10.9.9.9", "/root/pigsty", "Tem-plated", "g"}


def test_an_answer_that_is_none_has_no_secrets():
    assert resolved("") == resolved("10.0.0.1 | FAILED! => {}\nERROR! no") == set()
    assert resolved("10.0.0.1 | SUCCESS => {broken") == set()


def test_what_must_not_be_shown_of_an_inventory():
    text = """
all:
  vars:
    grafana_admin_password: pigsty
    pg_admin_password: 'DBUser.DBA'   # CHANGE
    #patroni_password: Old.Patroni
    minio_secret_key: "S3User.MinIO"
    made_password: "{{ pg_admin_password }}"
    proxy_env: { http_proxy: "http://joe:letmein2@10.0.0.1:3128" }
    pg_users:
      - { name: dify, password: hidden-one, pgbouncer: true }
      - {"name": "b", "password": "hidden-two"}
"""
    assert written(text) == {
        "DBUser.DBA",
        "Old.Patroni",
        "S3User.MinIO",
        "letmein2",
        "hidden-one",
        "hidden-two",
    }


@pytest.mark.parametrize("secret", ["Plain-Secret", "quo\"ted 'one'", "back\\slash", "ümläut-x"])
def test_a_known_value_is_hidden_in_every_form_it_is_printed_in(secret: str):
    mask = Mask([secret])
    inner = json.dumps({"cmd": f"echo {secret}"})
    for text in (f"x {secret} y", inner, json.dumps({"msg": inner})):
        shown = mask(text)
        assert "***" in shown
        for part in (secret, json.dumps(secret)[1:-1]):
            assert part not in shown


def test_a_key_of_several_lines_is_hidden_line_by_line():
    key = "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----"
    assert Mask([key])("a\nabcdefghijkl\nmnopqrstuvwx") == "a\n***\n***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('curl -u "admin:p w" http://x', 'curl -u "admin:***" http://x'),
        ("curl -u admin:pw http://x", "curl -u admin:*** http://x"),
        ('"cmd": "curl -u \\"admin:p w\\" x"', '"cmd": "curl -u \\"admin:***\\" x"'),
        ('["curl", "--user", "admin:pw", "x"]', '["curl", "--user", "admin:***", "x"]'),
        ("PGPASSWORD=pw psql -h x", "PGPASSWORD=*** psql -h x"),
        ("export PGPASSWORD='p w'; psql", "export PGPASSWORD=***; psql"),
        ("postgres://dify:pw@10.0.0.1/dify", "postgres://dify:***@10.0.0.1/dify"),
        ("redis://:p@w@10.0.0.1:6379", "redis://:***@10.0.0.1:6379"),
        ("dify:pw@10.0.0.1:5432", "dify:***@10.0.0.1:5432"),
        ('"admin_password": "p\\"w", "x": 1', '"admin_password": ***, "x": 1'),
        ("secret_key: pw", "secret_key: ***"),
        ("redis-cli -h x -a pw ping", "redis-cli -h x -a *** ping"),
        ("mc --password pw x", "mc --password *** x"),
        ("ALTER USER dify PASSWORD 'p w';", "ALTER USER dify PASSWORD ***;"),
        ("Authorization: Basic YWRtaW46cHc=", "Authorization: Basic ***"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str):
    mask = Mask([])
    assert mask(text) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "TASK [pg_user : set password of dbuser_dify] ****",
        'FATAL:  password authentication failed for user "dify"',
        "10.10.10.10 : ok=3 changed=1 unreachable=0 failed=0",
        "Failed to connect to the host via ssh: root@10.0.0.1: Permission denied",
        "pull docker.io/library/nginx:1.25@sha256:0a1b",
        "https://10.0.0.1:8443/path and joe@example.com",
        "docker run --user 1000 x",
    ],
)
def test_what_is_none_is_shown(text: str):
    assert Mask([])(text) == text


def test_a_short_or_public_value_would_hide_half_of_every_line():
    assert Mask(["ab", "true", "pigsty", ""])("about pigsty: true") == "about pigsty: true"
