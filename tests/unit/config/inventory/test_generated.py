"""What must hold of every inventory there is."""

import re
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.desired.inventory.document import read
from config.desired.inventory.edits import applied, edits_for
from config.desired.inventory.fragment import fragment
from config.desired.inventory.generation import V2, V4
from config.desired.inventory.masking import masked
from config.desired.inventory.merge import merge, problems
from config.desired.inventory.wanted import wanted
from config.desired.inventory.wants import laid
from config.environment import Environment
from config.errors import ConfigError
from config.load import load_environment, load_release
from config.secrets import generate

from .generated import Reader, inventory
from .test_samples import SAMPLES, SETTINGS, undone

RELEASE = load_release("1.15.0")
RECIPE = load_environment("recipe")
SECRETS = generate(RELEASE, {})
PASSWORD = SECRETS["redis_password"].get_secret_value()


def parsed(text: str) -> Any:
    return yaml.load(text, Reader)  # noqa: S506 - a safe one


def maybe(rng: Random, **keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if rng.random() < 0.5}


def groups(rng: Random) -> dict[str, Any]:
    """The clusters, each there or not, with more or less of ours in them."""
    cluster = {
        "pg_cluster": "pg-meta",
        "pg_version": 17,
        **maybe(
            rng,
            pg_users=rng.choice(
                [[], None, [{"name": "u", "password": "p,1"}, {"name": "dbuser_dify"}]]
            ),
            pg_databases=rng.choice(
                [[{"name": "meta"}], [{"name": "dify", "extensions": ["vector"]}]]
            ),
            pg_hba_rules=[{"user": "all", "db": "all", "addr": "intra", "auth": "pwd"}],
            pg_extensions=rng.choice([["postgis"], ["postgis pgvector"], []]),
        ),
    }
    redis = {
        "redis_cluster": "redis-dify",
        "redis_password": PASSWORD,
        **maybe(rng, redis_max_memory="64MB", redis_mem_policy="allkeys-lru"),
    }
    machine, its = "10.10.10.10", {}
    if rng.random() < 0.2:
        machine, its = "db-1", {"ansible_host": "10.10.10.10"}
    found = {"pg-meta": {"hosts": {machine: {**its, "pg_seq": 1}}, "vars": cluster}}
    if rng.random() < 0.5:
        host = {**its, "redis_node": 1, "redis_instances": {6379: {}}}
        found["redis-dify"] = {"hosts": {machine: host}, "vars": redis}
    return found


def variables(rng: Random) -> dict[str, Any]:
    portal = {"home": {"domain": "i.pigsty"}, **maybe(rng, dify={"endpoint": "1.2.3.4:5"}, x=None)}
    return maybe(
        rng,
        admin_ip="10.10.10.10",
        infra_portal=portal,
        dns_records=rng.choice([None, ["${admin_ip} i.pigsty"], ["1.2.3.4 x dify.pigsty"]]),
        proxy_env=rng.choice([None, {"no_proxy": "*"}, {}]),
        some_password="hidden-by-hand",
    )


def other(**sections: dict[str, Any]) -> Environment:
    tree = RECIPE.model_dump()
    for section, keys in sections.items():
        tree[section] |= keys
    return Environment.model_validate(tree)


DAMAGE = [*"{}[]:,-#'\"&*!|> \t\n%@", "null", "- ", ": ", "  ", "\n  "]


def damaged(rng: Random, text: str) -> str:
    """A slip of the hand: characters lost or typed, a line lost, doubled or moved aside."""
    at, lines = rng.randrange(len(text)), text.split("\n")
    row = rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        return text[:at] + text[at + rng.randrange(1, 12) :]
    if kind == 1:
        return text[:at] + rng.choice(DAMAGE) + text[at:]
    if kind == 2:
        lines[row] = rng.choice([" ", "  ", "    "]) + lines[row]
    elif kind == 3:
        lines[row] = lines[row].split(":")[0] + ":" + rng.choice(["", " x", " []", " 3", " ~"])
    else:
        lines.insert(
            rng.randrange(len(lines)), lines.pop(row) if rng.random() < 0.5 else lines[row]
        )
    return "\n".join(lines)


@example(name="flow", seed=692128)  # a mapping in braces becomes a key without a colon
@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(SETTINGS)), seed=st.integers(0, 2**32))
def test_a_damaged_file_is_merged_or_refused_in_sentences(name, seed):
    rng = Random(seed)  # noqa: S311 - shapes of files, no secrets
    text = damaged(rng, (SAMPLES / f"{name}.yml").read_text())
    ours = fragment(RECIPE, RELEASE, SECRETS, V4)
    try:
        merged = merge(text, ours)
    except ConfigError as refused:
        for problem in refused.problems:
            assert re.fullmatch(r"pigsty\.yml(:\d+)?: .+; expected .+", problem)
    else:
        assert merge(merged, ours) == merged


@pytest.mark.parametrize("generation", [V2, V4], ids=lambda generation: generation.name)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_inventory(generation, seed):
    rng = Random(seed)  # noqa: S311 - shapes of files, no secrets
    text = inventory(rng, groups(rng), variables(rng))
    ours = fragment(other(docker={"proxy": "http://u:pw@p:1"}), RELEASE, SECRETS, generation)
    want = wanted(parsed(text), ours)
    merged = merge(text, ours)

    assert problems(text) == problems(merged) == []
    assert parsed(merged) == laid(parsed(text), want)
    assert merge(merged, ours) == merged

    edits = edits_for(read(text), want)
    assert applied(text, edits) == merged
    assert undone(text, edits) == text

    grown = other(redis={"max_memory_mb": 999}, dify={"port": 8123}, docker={"proxy": "http://q:1"})
    changed = merge(merged, fragment(grown, RELEASE, SECRETS, generation))
    assert changed != merged
    assert merge(changed, ours) == merged

    shown = masked(merged, [value.get_secret_value() for value in SECRETS.values()])
    for hidden in (PASSWORD, "hidden-by-hand", "u:pw", "p,1"):
        assert hidden not in shown


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_two_documents_in_one_file_are_refused(seed):
    """Ansible reads one alone, and which of them would be edited is anybody's guess."""
    rng = Random(seed)  # noqa: S311 - shapes of files, no secrets
    texts = [inventory(rng, groups(rng), variables(rng)).removeprefix("\ufeff") for _ in range(2)]
    first, second = (text.replace("---", "").replace("...", "") for text in texts)
    (problem,) = problems(f"{first}\n---\n{second}")
    assert re.fullmatch(r"pigsty\.yml:\d+: .*another document; expected valid YAML", problem)
