"""Where the stack runs: on one machine or several."""

import pytest

from config.desired.compose import render
from config.desired.nodes import on_node, upstreams
from config.desired.portal import server_block
from config.desired.services import active
from config.desired.stack import mounted_files, stack_files
from config.load import load_environment

THERE = "platform.kind = 'external'\npostgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n"
S3 = "storage.kind = 's3'\nstorage.bucket = 'dify'\nstorage.plugin_bucket = 'plugins'\n"
TWO = "nodes.dify = ['local', 'ssh://root@10.0.0.3:2222']\n"
ADDRESSES = "nodes.addresses = ['10.0.0.2', '10.0.0.3']\n"
MACHINE = (
    "is not a machine; expected 'local' or a destination of OpenSSH: "
    "an alias, 'user@host' or 'ssh://user@host:port'"
)

BAD = [
    ("nodes.admin = '-oProxyCommand=x'", f"nodes.admin: '-oProxyCommand=x' {MACHINE}"),
    ("nodes.admin = 'a b'", f"nodes.admin: 'a b' {MACHINE}"),
    ("nodes.dify = ['']", f"nodes.dify.0: '' {MACHINE}"),
    ("nodes.dify = ['me@10.0.0.1:22']", f"nodes.dify.0: 'me@10.0.0.1:22' {MACHINE}"),
    ("nodes.dify = []", "nodes.dify: a list is not allowed; expected at least 1 entry"),
    ("nodes.dify = 'n1'", 'nodes.dify: \'n1\' is not allowed; expected a list like ["a", "b"]'),
    ("nodes.sudo = 'yes'", "nodes.sudo: 'yes' is not allowed; expected true or false"),
    (
        "nodes.dify = ['n1', 'n1']",
        "nodes.dify: 'n1' is listed twice; expected each node once",
    ),
    (
        S3 + TWO,
        "nodes.addresses: 0 for 2 nodes of nodes.dify; "
        "expected one address for each, in the same order",
    ),
    (
        S3 + TWO + "nodes.addresses = ['10.0.0.2', '127.0.0.1']",
        "nodes.addresses: '127.0.0.1' reaches only the node itself; "
        "expected an address the portal reaches",
    ),
    (
        TWO + ADDRESSES,
        "storage.kind: 'local' keeps uploads apart on each of 2 nodes of nodes.dify; expected 's3'",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[s[:40] for _, s in BAD])
def test_one_sentence_says_what_is_wrong_and_what_to_do(problems, text, sentence):
    assert problems(THERE + text) == [f"mine.toml: {sentence}"]


def test_a_sandbox_is_on_this_machine(problems):
    said = problems("platform.kind = 'sandbox'\nnodes.admin = 'n1'\nnodes.dify = ['n2']\n"
                    "postgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n")  # fmt: skip
    assert said == [
        "mine.toml: nodes.admin: 'n1' is elsewhere; expected 'local' for a sandbox",
        "mine.toml: nodes.dify: 'n2' is elsewhere; expected 'local' for a sandbox",
    ]


def test_each_node_has_connections_of_its_own(problems):
    said = problems(THERE + S3 + TWO + ADDRESSES + "dify.api_workers = 4\n")
    assert said == [
        "mine.toml: postgres.max_connections: 200 is too few for 11 Dify processes of pool.size + "
        "pool.overflow connections; expected at least 293"
    ]


def test_a_variable_lists_nodes(monkeypatch):
    monkeypatch.setenv("ROLLOUT__NODES__DIFY", '["local"]')
    assert load_environment("sandbox").nodes.dify == ["local"]


@pytest.fixture
def two(folder):
    (folder / "two.toml").write_text(THERE + S3 + TWO + ADDRESSES)
    return load_environment("two", folder)


def test_the_scheduler_runs_on_the_first_node_only(two, release):
    first, second = (on_node(two, release, index) for index in range(2))
    assert set(active(*first)) - set(active(*second)) == {"worker_beat"}
    assert set(active(*second)) < set(active(*first))


def test_each_node_publishes_on_its_own_address_and_is_otherwise_the_same(two, release, secrets):
    (first, its), (second, other) = (on_node(two, release, index) for index in range(2))
    assert "10.0.0.2:8001:80" in render(first, its, mounted_files(first, its))
    text = render(second, other, mounted_files(second, other))
    assert "10.0.0.3:8001:80" in text and "10.0.0.2" not in text
    env = [stack_files(*pair, secrets)[0].content for pair in ((first, its), (second, other))]
    assert env[0] == env[1]


def test_the_portal_passes_to_every_node(two, release, tmp_path):
    text = server_block(two, release, tmp_path, tmp_path)
    assert "upstream dify_8001 {" in text
    assert "    server 10.0.0.2:8001;\n    server 10.0.0.3:8001;\n" in text
    assert "proxy_pass http://dify_8001;" in text


def test_one_node_needs_no_pool(environment, release, tmp_path):
    text = server_block(environment, release, tmp_path, tmp_path)
    assert "upstream" not in text
    assert upstreams(environment, 8001) == ["127.0.0.1:8001"]
