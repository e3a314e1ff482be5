"""Vault strings, templates and group_vars, as Ansible resolves them."""

import re
from typing import Any

import pytest

from config.desired.inventory.document import read
from config.desired.inventory.effective import asks_ansible, unresolved
from config.desired.inventory.merge import merge
from config.errors import ConfigError

HOST = "10.10.10.10"
VAULTED = "!vault |\n            $ANSIBLE_VAULT;1.1;AES256\n            6162"
TEXT = """\
all:
  children:
    pg-meta:
      hosts: { 10.10.10.10: { pg_seq: 1, pg_role: primary } }
      vars:
        pg_cluster: pg-meta
        pg_version: 17
    redis-dify:
      hosts: { 10.10.10.10: { redis_node: 1, redis_instances: { 6379: {} } } }
      vars:
        redis_cluster: redis-dify
        redis_password: PASSWORD
  vars:
    admin_ip: 10.10.10.10
"""


@pytest.fixture
def passwords(secrets) -> dict[str, str]:
    return {name: secrets[name].get_secret_value() for name in secrets}


@pytest.fixture
def merged(ours, passwords) -> str:
    return merge(TEXT.replace("PASSWORD", passwords["redis_password"]), ours())


@pytest.mark.parametrize("written", [VAULTED, '"{{ redis_secret }}"'])
def test_a_secret_that_only_ansible_reads_stays_as_it_is_written(
    merged: str, written: str, ours, passwords: dict[str, str]
):
    """Edits beside it go in; the right value is recognised, though no text has it."""
    secret = passwords["redis_password"]
    text = TEXT.replace("PASSWORD", written)
    known = {HOST: {"redis_password": secret}}
    assert asks_ansible(read(text).tree)
    done = merge(text, ours(), variables=known)
    assert written in done and secret not in done
    assert "dbuser_dify" in done
    again = {HOST: {**known[HOST], **_resolved(done, "pg-meta"), **known[HOST]}}
    assert merge(done, ours(), variables=again) == done


def test_the_roles_password_is_not_replaced_by_a_clear_one(
    merged: str, ours, passwords: dict[str, str]
):
    secret = passwords["postgres_password"]
    assert merged.count(secret) == 1
    quoted = rf"(['\"]?){re.escape(secret)}\1"  # as some secrets are, by their first character
    text = re.sub(quoted, '"{{ dify_secret }}"', merged)
    users = read(merged).tree["all"]["children"]["pg-meta"]["vars"]["pg_users"]
    assert merge(text, ours(), variables={HOST: {"pg_users": users}}) == text


def test_another_value_in_a_vault_is_refused_as_a_clear_one_is(ours):
    text = TEXT.replace("PASSWORD", VAULTED)
    with pytest.raises(ConfigError, match="is not the secret redis_password"):
        merge(text, ours(), variables={HOST: {"redis_password": "another"}})


def test_what_group_vars_say_already_is_not_written_once_more(
    merged: str, ours, passwords: dict[str, str]
):
    """Ansible would never look at what we write into the file."""
    tree = read(merged).tree["all"]["children"]["pg-meta"]["vars"]
    text = TEXT.replace("PASSWORD", passwords["redis_password"])
    done = merge(text, ours(), variables={HOST: {"pg_users": tree["pg_users"]}})
    assert "pg_databases" in done and "pg_users" not in done


def test_what_group_vars_lack_is_said_without_a_password(ours, passwords: dict[str, str]):
    text = TEXT.replace("PASSWORD", passwords["redis_password"])
    others: list[dict[str, Any]] = [{"name": "somebody", "password": "x"}]
    with pytest.raises(ConfigError) as refused:
        merge(text, ours(), variables={HOST: {"pg_users": others}})
    assert str(refused.value).endswith(
        "pg-meta.vars.pg_users: stands in group_vars or host_vars, which Ansible prefers to this "
        "file, and lacks dbuser_dify; expected it there"
    )
    assert passwords["postgres_password"] not in str(refused.value)


def test_variables_of_all_machines_may_be_elsewhere_too(ours, passwords: dict[str, str]):
    text = TEXT.replace("PASSWORD", passwords["redis_password"])
    portal = {"infra_portal": {"home": {"domain": "i.pigsty"}}}
    with pytest.raises(ConfigError, match=r"all\.vars\.infra_portal: stands in group_vars"):
        merge(text, ours(), variables={HOST: portal})


def test_what_ansible_shows_in_other_types_is_the_same(ours, passwords: dict[str, str]):
    text = TEXT.replace("PASSWORD", passwords["redis_password"]).replace(
        "        pg_version: 17\n",
        "        pg_version: 17\n        pg_users: [{ name: a, expire_at: 2026-12-31 }]\n",
    )
    shown = {"pg_users": [{"name": "a", "expire_at": "2026-12-31"}], "pg_version": 17}
    assert "dbuser_dify" in merge(text, ours(), variables={HOST: shown})


def test_a_value_that_ansible_does_not_resolve_is_named():
    assert unresolved({HOST: {"redis_password": "{{ nowhere }}"}}) == "redis_password"
    assert unresolved({HOST: {"pg_users": [{"password": "<< error 1 - x >>"}]}}) == "pg_users"
    assert unresolved({HOST: {"redis_password": "known", "other": "{{ nowhere }}"}}) == ""


def test_a_file_vaulted_as_a_whole_gets_its_sentence(ours):
    with pytest.raises(
        ConfigError, match=r"pigsty\.yml: vaulted as a whole.*ansible-vault decrypt"
    ):
        merge("$ANSIBLE_VAULT;1.1;AES256\n6162\n", ours())


def _resolved(text: str, group: str) -> dict[str, Any]:
    tree = read(text).tree["all"]
    return {**tree["vars"], **tree["children"][group]["vars"]}
