# ruff: noqa: E501 - tables of cases
"""A text that is no inventory: one bad input, one exact sentence."""

import pytest

from config.desired.inventory.merge import merge, problems
from config.errors import ConfigError

ALL = "all:\n  children:\n    pg-meta:\n      hosts: { 10.10.10.10: { pg_seq: 1 } }\n"
CLUSTER = f"{ALL}      vars:\n        pg_cluster: pg-meta\n"
AT = "all.children.pg-meta"
NAME = "is no name Pigsty takes; expected lower-case letters, digits, '_', '@', '.' and '-', at most 63"
SENDER = (
    "is no sender Pigsty knows; expected an IPv4 address or network, or one of: local, localhost, "
    "admin, infra, cluster, intra, intranet, world, all"
)

BAD = [
    ("", "pigsty.yml:1: no mapping at the top; expected the key 'all'"),
    ("# nothing\n", "pigsty.yml:1: no mapping at the top; expected the key 'all'"),
    ("- a\n", "pigsty.yml:1: no mapping at the top; expected the key 'all'"),
    ("just text\n", "pigsty.yml:1: no mapping at the top; expected the key 'all'"),
    ("children:\n  x: {}\n", "pigsty.yml:1: all: missing; expected the top group, with children and vars"),
    ("all: text\n", "pigsty.yml:1: all: missing; expected the top group, with children and vars"),
    ("all: { vars: { a: 1 } }\n", "pigsty.yml:1: all.children: missing; expected the groups of machines"),
    ("all:\n  vars: {}\n  children:\n", "pigsty.yml:3: all.children: missing; expected the groups of machines"),
    ("all:\n  children: [ a ]\n", "pigsty.yml:2: all.children: a list; expected a mapping"),
    ("all:\n  children:\n    pg-meta: text\n", f"pigsty.yml:3: {AT}: a single value; expected a group with hosts"),
    ("all:\n  children:\n    pg-meta:\n      hosts: [ a ]\n", f"pigsty.yml:4: {AT}.hosts: a list; expected a mapping"),
    (
        "all:\n  children:\n    pg-meta:\n      hosts: { 10.10.10.10: x }\n",
        f"pigsty.yml:4: {AT}.hosts.10.10.10.10: a single value; expected a mapping of the machine's variables",
    ),
    (
        "all:\n  children:\n    r:\n      hosts: { 10.10.10.10: { redis_instances: [ 6379 ] } }\n",
        "pigsty.yml:4: all.children.r.hosts.10.10.10.10.redis_instances: a list; expected a mapping of ports, like { 6379: {} }",
    ),
    (f"{ALL}  vars: [ a ]\n", "pigsty.yml:5: all.vars: a list; expected a mapping"),
    (f"{ALL}  vars:\n    infra_portal: [ home ]\n", "pigsty.yml:6: all.vars.infra_portal: a list; expected a mapping"),
    (f"{ALL}  vars:\n    infra_portal:\n      x: y\n", "pigsty.yml:7: all.vars.infra_portal.x: a single value; expected a mapping"),
    (f"{ALL}  vars:\n    proxy_env: http://proxy\n", "pigsty.yml:6: all.vars.proxy_env: a single value; expected a mapping"),
    (f"{ALL}  vars:\n    dns_records: 1.2.3.4 x\n", "pigsty.yml:6: all.vars.dns_records: a single value; expected a list"),
    (f"{CLUSTER}        pg_users: {{ name: x }}\n", f"pigsty.yml:7: {AT}.vars.pg_users: a mapping; expected a list"),
    (f"{CLUSTER}        pg_users:\n          - x\n", f"pigsty.yml:8: {AT}.vars.pg_users.0: a single value; expected a mapping"),
    (
        f"{CLUSTER}        pg_databases:\n          - {{ name: a }}\n          - {{ owner: b }}\n",
        f"pigsty.yml:9: {AT}.vars.pg_databases.1: without a name; expected the key 'name'",
    ),
    (f"{CLUSTER}        pg_users: [ {{ name: Dify }} ]\n", f"pigsty.yml:7: {AT}.vars.pg_users.0.name: 'Dify' {NAME}"),
    (
        f"{CLUSTER}        pg_hba_rules:\n          - {{ user: all, addr: fe80::1 }}\n",
        f"pigsty.yml:8: {AT}.vars.pg_hba_rules.0.addr: 'fe80::1' {SENDER}",
    ),
    (
        f"{CLUSTER}        pg_hba_rules: [ {{ user: all, addr: 10.0.0.0/33 }} ]\n",
        f"pigsty.yml:7: {AT}.vars.pg_hba_rules.0.addr: '10.0.0.0/33' {SENDER}",
    ),
    (
        f"{CLUSTER}        pg_hba_rules: [ {{ user: all }} ]\n",
        f"pigsty.yml:7: {AT}.vars.pg_hba_rules.0: neither addr nor rules; expected one of them",
    ),
    (
        f"{CLUSTER}        pg_hba_rules: [ {{ addr: intra, auth: pw }} ]\n",
        f"pigsty.yml:7: {AT}.vars.pg_hba_rules.0.auth: 'pw' is unknown; expected one of: deny, pwd, ssl, sha, "
        "cert, ssl-md5, ssl-sha, md5, os, ident, peer, trust, reject, scram-sha-256",
    ),
    (
        f"{CLUSTER}        pg_hba_rules: [ {{ addr: intra, role: leader }} ]\n",
        f"pigsty.yml:7: {AT}.vars.pg_hba_rules.0.role: 'leader' is unknown; expected one of: default, common, "
        "primary, replica, offline, standby, delayed",
    ),
    (
        f"{ALL}  vars: {{ redis_max_memory: 1 GB }}\n",
        "pigsty.yml:5: all.vars.redis_max_memory: '1 GB' keeps Redis from starting; expected a size like '256MB'",
    ),
    (
        f"{ALL}  vars:\n    infra_portal:\n      wiki: {{ domain: wiki.pigsty }}\n",
        "pigsty.yml:7: all.vars.infra_portal.wiki: a domain that leads nowhere; expected an endpoint like '10.10.10.10:8080'",
    ),
    ("all:\n\tchildren: {}\n", "pigsty.yml:2: a tab indents the line; expected spaces"),
    ("all:\n  a: 1\n b: 2\n", "pigsty.yml:3: b: not YAML: expected <block end>, but found '<block mapping start>'; expected valid YAML"),
    ("all: { a: 1\n", "pigsty.yml:2: not YAML: expected ',' or '}', but got '<stream end>'; expected valid YAML"),
    ("all: *nobody\n", "pigsty.yml:1: all: not YAML: found undefined alias 'nobody'; expected valid YAML"),
    ("all: 'open\n", "pigsty.yml:2: not YAML: found unexpected end of stream; expected valid YAML"),
    (f"{ALL}---\nall: 1\n", "pigsty.yml:5: not YAML: but found another document; expected valid YAML"),
    ("all: \x00\n", "pigsty.yml: not YAML: unacceptable character #x0000: special characters are not allowed; expected valid YAML"),
    (f"{ALL}    pg-meta: {{}}\n", f"pigsty.yml:5: {AT}: also on line 3; expected every key once"),
    (f"{ALL}  vars: {{ a: 1, b: 2, a: 3 }}\n", "pigsty.yml:5: all.vars.a: also on line 5; expected every key once"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[sentence[:60] for _, sentence in BAD])
def test_one_sentence_says_what_is_wrong_and_what_to_do(text, sentence):
    assert problems(text) == [sentence]


@pytest.mark.parametrize(("text", "sentence"), BAD[::9])
def test_nothing_is_merged_into_such_a_text(text, sentence, ours):
    with pytest.raises(ConfigError) as refused:
        merge(text, ours())
    assert str(refused.value) == sentence


def test_all_problems_are_said_at_once():
    text = "all:\n  children:\n    a: 1\n    b: { hosts: 2 }\n  vars: { infra_portal: 3 }\n"
    assert [problem.split(": ")[1] for problem in problems(text)] == [
        "all.children.a",
        "all.children.b.hosts",
        "all.vars.infra_portal",
    ]


def test_the_file_is_named_as_it_is_called():
    assert problems("", "/root/pigsty/pigsty.yml")[0].startswith("/root/pigsty/pigsty.yml:1: ")


@pytest.mark.parametrize(
    "value",
    [
        "pg_hba_rules: [ { title: raw, rules: [ 'host all all 10.0.0.0/8 md5' ] } ]",
        "pg_hba_rules: [ { addr: '{{ my_net }}', auth: '{{ how }}' } ]",
        "pg_users: [ { name: '{{ me }}' } ]",
        "redis_max_memory: 128mb",
        "infra_portal: { home: { domain: h.pigsty }, blackbox: { endpoint: 'x:1' }, none: }",
        "secret: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          6162",
    ],
)
def test_what_ansible_takes_is_taken(value):
    assert problems(f"{CLUSTER}        {value}\n") == []
