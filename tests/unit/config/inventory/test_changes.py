"""What a plan shows of an edit: everything that differs, and no password, ours or theirs."""

from pathlib import Path

import pytest

from config.desired.inventory.changes import Difference, changes, diff
from config.desired.inventory.masking import masked
from config.desired.inventory.merge import merge

SAMPLES = Path(__file__).parent.parent / "inventories"
META = "all.children.pg-meta.vars"


@pytest.fixture
def single():
    return (SAMPLES / "single.yml").read_text()


@pytest.fixture
def ours_secrets(secrets):
    return [value.get_secret_value() for value in secrets.values()]


def test_every_key_is_said_once(single, ours, ours_secrets):
    found = changes(single, merge(single, ours()), ours_secrets)
    assert [difference.path for difference in found] == [
        f"{META}.pg_users.dbuser_dify",
        f"{META}.pg_databases.dify",
        f"{META}.pg_databases.dify_plugin",
        f"{META}.pg_hba_rules.Dify from containers",
        f"{META}.pg_hba_rules.Dify from service ports",
        f"{META}.pg_hba_rules.Dify from the admin node",
        "all.children.redis-dify",
        "all.children.dify",
        "all.vars.infra_portal.dify",
        "all.vars.dns_records",
    ]
    assert all(difference.before == "absent" for difference in found)
    assert found[0].after == (
        '{ name: dbuser_dify, password: "***", pgbouncer: false, comment: Dify }'
    )


def test_a_value_that_changes_is_said_with_both(single, ours, ours_secrets):
    before = merge(single, ours())
    after = merge(before, ours(redis={"max_memory_mb": 512}))
    assert changes(before, after, ours_secrets) == [
        Difference("all.children.redis-dify.vars.redis_max_memory", "256MB", "512MB")
    ]


def test_a_password_that_changes_is_said_without_any(single, ours, ours_secrets, secrets):
    after = merge(single, ours())
    password = secrets["postgres_password"].get_secret_value()
    before = after.replace(password, "some.other.one")
    found = changes(before, after, ours_secrets)
    assert found == [Difference(f"{META}.pg_users.dbuser_dify.password", "***", "*** (new)")]
    shown = diff(before, after, ours_secrets)
    assert "-          - { name: dbuser_dify, password: ***, pgbouncer" in shown
    assert "+          - { name: dbuser_dify, password: *** (new), pgbouncer" in shown


def test_nothing_differs(single, ours_secrets):
    assert changes(single, single, ours_secrets) == []
    assert diff(single, single, ours_secrets) == ""


def test_a_new_file_is_all_new(single, ours_secrets):
    (difference,) = changes("", single, ours_secrets)
    assert (difference.path, difference.before) == ("all", "absent")
    assert ".Secret." not in difference.after
    assert ".Secret." not in diff("", single, ours_secrets)


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.yml")))
def test_no_password_of_the_file_is_shown(name, ours_secrets):
    text = (SAMPLES / f"{name}.yml").read_text()
    shown = masked(text, ours_secrets)
    for hidden in (".Secret.", "given.Redis.1", "an older one", "redis.ms'", "Te,st}1", "Grüße"):
        assert hidden not in shown, hidden
    assert shown.count("\n") == text.count("\n")


def test_a_diff_shows_no_password_of_the_file(single, ours, ours_secrets):
    shown = diff(single, merge(single, ours()), ours_secrets)
    assert ".Secret." not in shown
    assert not any(secret in shown for secret in ours_secrets)
    assert shown.startswith("--- pigsty.yml\n+++ pigsty.yml\n@@ ")


def test_a_key_that_only_sounds_like_one_is_shown():
    text = "all:\n  bypassrls: true\n  pg_hba: x\n  keyboard: us\n"
    assert masked(text, []) == text


BROKEN = [
    ("  password: a b # c\n - x", "  password: ***\n - x"),
    ("all: {\n  secret_key: abc,\n", "all: {\n  secret_key: ***\n"),
    ("url: http://u:p@h/\n: [", "url: http://***@h/\n: ["),
]


@pytest.mark.parametrize(("text", "shown"), BROKEN)
def test_a_text_that_does_not_parse_is_masked_line_by_line(text, shown):
    assert masked(text, []) == shown


def test_secrets_are_masked_wherever_they_stand():
    text = "all:\n  note: it is hunter22 # hunter22\n  password: |\n    two\n    lines\n"
    shown = masked(text, ["hunter22"])
    assert shown == "all:\n  note: it is *** # ***\n  password: ***\n"
