"""Files of every shape that Pigsty's users have: merged, undone, read as Ansible reads them."""

from difflib import SequenceMatcher
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from config.desired.inventory.document import read
from config.desired.inventory.edits import Edit, applied, edits_for
from config.desired.inventory.generation import V2, V4
from config.desired.inventory.merge import merge, problems
from config.desired.inventory.wanted import wanted
from config.desired.inventory.wants import laid

SAMPLES = Path(__file__).parent.parent / "inventories"
ELSEWHERE = {"pigsty": {"redis_nodes": ["10.10.10.30"]}, "redis": {"host": "10.10.10.30"}}
SETTINGS = {
    "single": {},
    "trio": {"pigsty": {"pg_version": 16}, "postgres": {"port": 5436}},
    "anchors": {},
    "flow": {},
    "odd": {},
    "app": {},
    "v2": {"pigsty": {**ELSEWHERE["pigsty"], "pg_version": 16}, "redis": ELSEWHERE["redis"]},
    "bare": {"docker": {"proxy": "http://proxy:3128"}},
}


@pytest.fixture(params=sorted(SETTINGS))
def name(request):
    return request.param


@pytest.fixture
def text(name):
    return (SAMPLES / f"{name}.yml").read_bytes().decode()


@pytest.fixture
def secrets(name, secrets):
    given = {"redis_password": SecretStr("given.Redis.1")} if name == "anchors" else {}
    return secrets | given


@pytest.fixture
def fragment(name, ours):
    return ours(V2 if name == "v2" else V4, **SETTINGS[name])


def undone(text: str, edits: list[Edit]) -> str:
    """The edited text with every edit taken back where it was made."""
    merged, shift, back = applied(text, edits), 0, []
    for edit in sorted(edits, key=lambda edit: edit.start):
        start = edit.start + shift
        back.append(Edit(start, start + len(edit.text), text[edit.start : edit.end]))
        shift += len(edit.text) - (edit.end - edit.start)
    return applied(merged, back)


def replaced(text: str, merged: str) -> list[str]:
    """Lines of the text that are not in the merged one, without their margins."""
    before, after = text.split("\n"), merged.split("\n")
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    parts = [before[a:b] for kind, a, b, _, _ in matcher.get_opcodes() if kind != "equal"]
    return [line.strip() for lines in parts for line in lines]


def test_every_sample_is_tried():
    assert sorted(path.stem for path in SAMPLES.glob("*.yml")) == sorted(SETTINGS)


def test_a_sample_is_an_inventory(text):
    assert problems(text) == []


def test_it_reads_as_what_was_wanted(text, fragment):
    want = wanted(yaml.safe_load(text), fragment)
    assert yaml.safe_load(merge(text, fragment)) == laid(yaml.safe_load(text), want)


def test_a_second_merge_changes_nothing(text, fragment):
    merged = merge(text, fragment)
    assert merged != text
    assert merge(merged, fragment) == merged


def test_edits_can_be_taken_back(text, fragment):
    document = read(text)
    edits = edits_for(document, wanted(document.tree, fragment))
    assert applied(text, edits) == merge(text, fragment)
    assert undone(text, edits) == text


def test_a_setting_changed_and_changed_back_leaves_no_trace(text, name, ours, fragment):
    settings = {key: dict(section) for key, section in SETTINGS[name].items()}
    settings.setdefault("redis", {})["max_memory_mb"] = 999
    settings.setdefault("dify", {})["port"] = 8123
    other = ours(fragment.generation, **settings)
    merged = merge(text, fragment)
    changed = merge(merged, other)
    assert changed != merged
    assert merge(changed, fragment) == merged


def test_windows_line_ends_stay(text, fragment):
    windows = text.replace("\n", "\r\n")
    merged = merge(windows, fragment)
    assert merged.count("\r\n") == merged.count("\n")
    assert merged.replace("\r\n", "\n") == merge(text, fragment)


REPLACED = {
    "single": [],
    "trio": [],
    "v2": [],
    "anchors": ["pg_users: [ ]", "redis_max_memory: '64MB'", "infra_portal: {home"],
    "app": ["- { name: dbuser_dify", "- { name: dify ", "- { name: dify_plugin", "endpoint:"],
    "bare": ["pg-meta: { hosts"],
    "flow": ["all: {", '"${admin_ip} m.pigsty"'],
    "odd": ["endpoint:", "password:", "extensions: [vector]"],
}


def test_only_lines_that_hold_ours_differ(text, fragment, name):
    """Elsewhere than in flow style, and where another value stood, lines are only added."""
    found = replaced(text, merge(text, fragment))
    assert len(found) == len(REPLACED[name])
    assert all(map(str.startswith, found, REPLACED[name]))


def test_a_file_without_line_end_stays_without(ours):
    text = (SAMPLES / "bare.yml").read_text()
    assert not merge(text, ours()).endswith("\n")


def test_a_byte_order_mark_and_chinese_comments_stay(text, fragment):
    """As an editor of Windows leaves a file that somebody has commented."""
    marked = f"\ufeff# 生产环境：勿动\n{text.removeprefix('---')}"
    merged = merge(marked, fragment)
    assert merged.startswith("\ufeff# 生产环境：勿动\n")
    assert merge(merged, fragment) == merged
