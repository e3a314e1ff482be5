"""Several nodes behind the portal: its file, written by hand, read by a real nginx."""

import http.server
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from config.desired.portal import portal_file
from config.environment import Environment
from config.load import load_release
from tests.conftest import MakeDouble, PigstyDouble
from tests.ports import free_ports
from tests.serving import serving

DOMAIN = "several.pigsty"
CONF = """\
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    {temporary}
    include {folder}/portal.conf;
}}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the address it was asked at."""

    def do_GET(self) -> None:
        body = str(self.connection.getsockname()[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nobody reads it."""


@pytest.fixture
def double(make_pigsty_double: MakeDouble) -> PigstyDouble:
    return make_pigsty_double(machines=2)


@pytest.fixture
def environment(double: PigstyDouble) -> Environment:
    portal, stack = free_ports(2)
    return double.environment(
        nodes={"dify": ["local", "other"], "addresses": list(double.addresses)},
        portal={"domain": DOMAIN, "tls": False, "http_port": portal},
        dify={"project": "dify-several", "port": stack},
        storage={"kind": "s3", "bucket": "files", "plugin_bucket": "plugins"},
    )


@pytest.fixture
def nodes(
    environment: Environment,
) -> Generator[Mapping[str, http.server.ThreadingHTTPServer]]:
    """What answers as the stack at each node's address."""
    port = environment.dify.port
    servers = {
        address: http.server.ThreadingHTTPServer((address, port), Handler)
        for address in environment.nodes.addresses
    }
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield servers
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()


@contextmanager
def portal(environment: Environment, folder: Path) -> Generator[None]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    text = portal_file(environment, load_release("1.16.1"), folder / "none", folder / "none")
    (folder / "portal.conf").write_text(text)
    (folder / "nginx.conf").write_text(CONF.format(folder=folder, temporary=temporary))
    words = ("/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"))
    with serving(words):
        yield


def asked(environment: Environment, within_s: float = 10) -> httpx.Response:
    deadline = time.monotonic() + within_s
    url = f"http://127.0.0.1:{environment.portal.http_port}/"
    while True:
        try:
            return httpx.get(url, headers={"Host": DOMAIN}, trust_env=False, timeout=30)
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_node_that_goes_away_leaves_the_other_to_answer(
    environment: Environment,
    nodes: Mapping[str, http.server.ThreadingHTTPServer],
    tmp_path: Path,
) -> None:
    with portal(environment, tmp_path):
        first = asked(environment)
        assert first.status_code == 200 and first.text in nodes
        assert asked(environment).text == first.text, "a session stays on its node"
        nodes[first.text].shutdown()
        nodes[first.text].server_close()
        second = asked(environment)
    assert second.status_code == 200
    assert {first.text, second.text} == set(environment.nodes.addresses)
