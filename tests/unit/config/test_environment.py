# ruff: noqa: E501 - tables of cases
"""One bad input, one exact sentence."""

import pytest

from config.load import load_environment

OURS = "platform.kind = 'external'\npostgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n"
DOMAIN = "expected lower-case labels joined by dots, like 'dify.example.com'"
ADDRESS = "is not an IPv4 address; expected four numbers 0-255, like '10.10.10.10'"
IDENTIFIER = (
    "is not a usable PostgreSQL name; "
    "expected lower-case letters, digits and '_', at most 63, not starting with a digit"
)
NAME = (
    "is not a usable name; expected lower-case letters, digits, '-' and '_', "
    "at most 63, starting with a letter or digit"
)
BUCKET = "is not a bucket name; storage.kind 's3' needs one"

URL = "is not a URL; expected 'http://…' or 'https://…'"
S3 = "storage.kind = 's3'\nstorage.bucket = 'dify-a'\nstorage.plugin_bucket = 'dify-b'\n"
NAMED = (
    "names the bucket 'dify-a', which its clients add themselves; expected the service's address"
)

BAD = [
    ("dify.port = 70000", "dify.port: 70000 is not allowed; expected at most 65535"),
    ("dify.port = 0", "dify.port: 0 is not allowed; expected at least 1"),
    ("dify.port = '8001'", "dify.port: '8001' is not allowed; expected a whole number"),
    ("dify.port = true", "dify.port: true is not allowed; expected a whole number"),
    ("dify.port = 80.5", "dify.port: 80.5 is not allowed; expected a whole number"),
    ("dify.port = []", "dify.port: a list is not allowed; expected a whole number"),
    ("dify.port = {a = 1}", "dify.port: a section is not allowed; expected a whole number"),
    ("protected = 'yes'", "protected: 'yes' is not allowed; expected true or false"),
    ("protected = 1", "protected: 1 is not allowed; expected true or false"),
    ("nodes.free_gb.memory = '4'", "nodes.free_gb.memory: '4' is not allowed; expected a number"),
    ("nodes.free_gb.memory = -1", "nodes.free_gb.memory: -1 is not allowed; expected at least 0.0"),
    ("dify.home = 3", "dify.home: 3 is not allowed; expected a path in quotes"),
    ("images.archive = 3", "images.archive: 3 is not allowed; expected text in quotes"),
    (
        f"images.source = '{'x' * 99}'",
        f"images.source: '{'x' * 59}… is not allowed; "
        "expected 'auto', 'registry', 'archive' or 'rehearsal'",
    ),
    (
        "health.heal = ['worker']",
        "health.heal: a list is not allowed; expected a table like { name = value }",
    ),
    (
        "backup.ssh_key = '/root/.ssh/id_ed25519'",
        "backup.ssh_key: '/root/.ssh/id_ed25519' is not a name of a Prefect block; expected one "
        "of type SSH key, like 'prod'; key files are named in OpenSSH's own configuration",
    ),
    ("dify = 'x'", "dify: 'x' is not allowed; expected a section"),
    (
        "dify.services = 'api'",
        "dify.services: 'api' is not allowed; expected a list like [\"a\", \"b\"]",
    ),
    ("dify.services = [1]", "dify.services.0: 1 is not allowed; expected text in quotes"),
    (
        "dify.log_level = 'debug'",
        "dify.log_level: 'debug' is not allowed; expected 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
    ),
    ("dify.language = 'en'", "dify.language: 'en' is not a language of Dify; expected one like 'en-US'"),
    ("dify.project = 'My App'", f"dify.project: 'My App' {NAME}"),
    ('dify.project = "a\\n"', f"dify.project: 'a\\n' {NAME}"),
    ("dify.bind = 'here'", f"dify.bind: 'here' {ADDRESS}"),
    (
        "dify.bind = '0.0.0.0'",
        "dify.bind: '0.0.0.0' opens the stack to every network, beside the portal; "
        "expected one address of this machine, like '127.0.0.1'",
    ),
    ("dify.subnet = '10.0.0.1/24'", "dify.subnet: 10.0.0.1/24 has host bits set; expected a network like '172.30.31.0/24'"),
    (
        "dify.subnet = '8.8.8.0/24'",
        "dify.subnet: '8.8.8.0/24' is not a private network; expected a part of 10.0.0.0/8, "
        "172.16.0.0/12 or 192.168.0.0/16",
    ),
    (
        "dify.subnet = '10.0.0.0/26'",
        "dify.subnet: '10.0.0.0/26' is too small for the stack's networks; expected /25 or larger",
    ),
    ("dify.admin_email = 'me'", "dify.admin_email: 'me' is not an e-mail address; expected 'name@example.com'"),
    ("dify.home = 'dify'", "dify.home: 'dify' is relative; expected an absolute path"),
    ("dify.data = '/$HOME/dify'", "dify.data: '/$HOME/dify' holds a '$', and no variable is filled in; expected the path itself"),
    (
        "dify.data = '/srv/a:b'",
        "dify.data: '/srv/a:b' holds a character that a mount of containers does not take; "
        "expected one without ':' and control characters",
    ),
    ("dify.data = 'dify'", "dify.data: 'dify' is relative; expected an absolute path"),
    ("dify.release = '9.9.9'", "dify.release: unknown release '9.9.9'; expected one of: 0.6.11, 1.13.3, 1.15.0, 1.16.1, 1.17.1"),
    (
        "dify.services = ['web']",
        "dify.services: 'web' is not an optional service of release 1.16.1; "
        "expected some of: api_websocket, agent",
    ),
    (
        "dify.release = '0.6.11'\ndify.services = ['api_websocket']",
        "dify.services: 'api_websocket' is not an optional service of release 0.6.11; "
        "expected some of: ssrf_proxy",
    ),
    (
        "dify.release = '1.16.1'\ndify.services = ['agent']\nnodes.dify = ['a', 'b']\n"
        "nodes.addresses = ['10.0.0.1', '10.0.0.2']\nstorage = { kind = 's3', bucket = 'dify-a', "
        "plugin_bucket = 'dify-b' }\npostgres.max_connections = 1000",
        "dify.services: 'agent' keeps its files on one machine, and nodes.dify names several; "
        "expected one of them, or other services",
    ),
    ("postgres.host = '10.0.0.256'", f"postgres.host: '10.0.0.256' {ADDRESS}"),
    ("postgres.host = '::1'", f"postgres.host: '::1' {ADDRESS}"),
    ("postgres.host = 'db.test:5432'", "postgres.host: 'db.test:5432' has a port, which is a key of its own; expected the name alone"),
    (
        "postgres.host = 'postgresql://dify:s3/c:r@t@db.test/dify'",
        "postgres.host: 'postgresql://dify:***@db.test/dify' is a URL; expected the name or the address alone",
    ),
    ("postgres.host = 'my host'", f"postgres.host: 'my host' is not a domain name; {DOMAIN}"),
    (
        "postgres.host = '127.0.0.1'",
        "postgres.host: '127.0.0.1' is each container itself; expected an address of the server "
        "that containers reach",
    ),
    (
        "redis.host = 'localhost'",
        "redis.host: 'localhost' is each container itself; expected an address of the server "
        "that containers reach",
    ),
    (
        "postgres.host = '172.30.31.9'",
        "postgres.host: '172.30.31.9' is inside dify.subnet, which belongs to the containers; "
        "expected an address outside it",
    ),
    ("postgres.user = 'Dify'", f"postgres.user: 'Dify' {IDENTIFIER}"),
    ("postgres.database = '1a'", f"postgres.database: '1a' {IDENTIFIER}"),
    (
        "postgres.plugin_database = 'dify'",
        "postgres.plugin_database: 'dify' is also postgres.database; expected a database of its own",
    ),
    (
        "postgres.max_connections = 99",
        "postgres.max_connections: 99 is too few for 3 Dify processes of pool.size + "
        "pool.overflow connections; expected at least 103",
    ),
    (
        "dify.api_workers = 8",
        "postgres.max_connections: 200 is too few for 10 Dify processes of pool.size + "
        "pool.overflow connections; expected at least 243",
    ),
    ("redis.database = 16", "redis.database: 16 is not allowed; expected at most 15"),
    (
        "redis.broker_database = 0",
        "redis.broker_database: 0 is also redis.database; expected another number, "
        "so that flushing the cache does not lose queued jobs",
    ),
    (
        "upgrade.way_back = 'cluster'",
        "upgrade.way_back: 'cluster' goes back by the archive of Pigsty's cluster; "
        "expected 'point', or platform.kind 'pigsty'",
    ),
    ("redis.user = 'a b'", "redis.user: 'a b' is no user of Redis; expected printable ASCII without spaces"),
    (
        "postgres.sslmode = 'disable'",
        "postgres.sslmode: 'disable' is not allowed; expected 'prefer', 'require', 'verify-ca' or 'verify-full'",
    ),
    (
        "postgres.sslmode = 'verify-full'",
        "postgres.ca: '' trusts nobody, and postgres.sslmode is 'verify-full'; expected the PEM "
        "file of the authority that signed the server's certificate",
    ),
    (
        "postgres.ca = '/etc/ssl/ca.crt'",
        "postgres.ca: '/etc/ssl/ca.crt' is looked at by nobody with postgres.sslmode 'prefer'; "
        "expected empty, or postgres.sslmode 'verify-full'",
    ),
    ("storage.kind = 'ftp'", "storage.kind: 'ftp' is not allowed; expected 'local' or 's3'"),
    ("storage.endpoint = 'minio:9000'", f"storage.endpoint: 'minio:9000' {URL}"),
    ("storage.endpoint = 'http://minio:port'", f"storage.endpoint: 'http://minio:port' {URL}"),
    ("docker.proxy = 'me:s3cret@proxy:3128'", f"docker.proxy: 'me:***@proxy:3128' {URL}"),
    (
        f"{S3}storage.endpoint = 'http://localhost:9000'",
        "storage.endpoint: 'localhost' is each container itself; expected an address of the "
        "server that containers reach",
    ),
    (
        f"{S3}storage.endpoint = 'https://me:s3cret@s3.test'",
        "storage.endpoint: it holds a login; expected the address alone, and the secrets "
        "s3_access_key and s3_secret_key",
    ),
    (
        f"{S3}storage.endpoint = 'https://s3.test/?list'",
        "storage.endpoint: 'https://s3.test/?list' is of one page; expected the service's address",
    ),
    (f"{S3}storage.endpoint = 'https://s3.test/dify-a/'", f"storage.endpoint: 'https://s3.test/dify-a/' {NAMED}"),
    (f"{S3}storage.endpoint = 'https://dify-a.s3.test'", f"storage.endpoint: 'https://dify-a.s3.test' {NAMED}"),
    ("storage.kind = 's3'\nstorage.bucket = 'dify'", f"storage.plugin_bucket: '' {BUCKET}"),
    (
        "images.source = 'auto'",
        "images.source: 'auto' may run rehearsal images; "
        "expected 'registry' or 'archive' outside the sandbox platform, or 'rehearsal' where "
        "protected is false",
    ),
    ("portal.domain = 'Dify.Test'", f"portal.domain: 'Dify.Test' is not a domain name; {DOMAIN}"),
    ("portal.domain = ''", f"portal.domain: '' is not a domain name; {DOMAIN}"),
    ("portal.domain = '10.0.0.300'", "portal.domain: '10.0.0.300' is not an IPv4 address; expected four numbers 0-255, like '10.10.10.10'"),
    (
        "portal.domain = 'dify.test:8443'",
        "portal.domain: 'dify.test:8443' has a port; expected the name alone, the port is portal.https_port",
    ),
    ("portal.domain = '[2001:db8::1]'", "portal.domain: '[2001:db8::1]' is an IPv6 address; expected a name, or an IPv4 address"),
    (
        "portal.domain = 'https://intra.test'",
        "portal.domain: 'https://intra.test' is a URL; expected the name alone, like 'dify.example.com'",
    ),
    (
        "portal.domain = 'intra.test/dify'",
        "portal.domain: 'intra.test/dify' has a path; Dify is served at the root of a name of its own",
    ),
    (
        "portal.domain = 'bücher.test'",
        "portal.domain: 'bücher.test' is not ASCII; expected the form that DNS has, like 'xn--bcher-kva.example'",
    ),
    ("portal.domain = '-a.b'", f"portal.domain: '-a.b' is not a domain name; {DOMAIN}"),
    ('portal.domain = "a.b\\n"', f"portal.domain: 'a.b\\n' is not a domain name; {DOMAIN}"),
    (
        "platform.kind = 'pigsty'\nportal.certificate = '/a'",
        "portal.key: '' without its other half; expected both files, or neither",
    ),
    ("portal.key = 'a'", "portal.key: 'a' is relative; expected the absolute path of a file, or empty"),
    (
        "portal.certificate = '/a'\nportal.key = '/b'",
        "portal.certificate: the portal is not ours to serve it; expected empty",
    ),
    ("portal.body_size_mb = 14", "portal.body_size_mb: 14 is less than dify.upload_limit_mb; expected at least 15"),
    ("portal.https_port = 80", "portal.https_port: 80 is also portal.http_port; expected a port of its own"),
    ("dify.port = 443", "dify.port: 443 is also portal.https_port; expected a port of its own"),
    (
        "portal.route = 'services'\ndify.direct_ports = { api = 3000 }",
        "dify.direct_ports.api: 3000 is also dify.direct_ports.web; expected a port of its own",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_one_sentence_says_what_is_wrong_and_what_to_do(problems, text, sentence):
    lines = [line for line in OURS.splitlines() if line.split(" ")[0] not in text]
    assert problems("\n".join([*lines, text])) == [f"mine.toml: {sentence}"]


def test_all_problems_of_the_file_are_said_at_once(problems):
    said = problems("dify.port = 'x'\ndify.bind = 'y'\nredis.database = 99\nstorage.kind = 's3'\n")
    assert [line.split(": ")[1] for line in said] == [
        "dify.bind", "dify.port", "redis.database", "storage.bucket", "storage.plugin_bucket",
    ]  # fmt: skip


def test_all_disagreements_of_sections_are_said_at_once(problems):
    said = problems(f"{OURS}portal.https_port = 80\nredis.broker_database = 0\ndify.home = 'x'\n")
    keys = [line.split(": ")[1] for line in said]
    assert keys == ["dify.home", "portal.https_port", "redis.broker_database"]


def test_a_port_that_is_not_used_may_be_anything(folder, problems):
    said = problems(f"{OURS}dify.direct_ports.api = 3000\nportal.https_port = 80\n")
    assert [line.split(": ")[1] for line in said] == ["portal.https_port"]


def test_the_first_account_is_named_by_its_address(changed):
    long = f"{'x' * 40}@dify.local"
    names = {"ann.lee@example.com": "ann.lee", long: "x" * 30}
    for email, name in names.items():
        assert (
            changed(load_environment("sandbox"), dify={"admin_email": email}).dify.admin_name
            == name
        )
