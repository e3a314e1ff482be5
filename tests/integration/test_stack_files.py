"""The files of the stack, put before the programs that read them."""

import http.server
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import compose
import httpx
import pytest

from config.desired.stack import routes_digest, routes_file, stack_files
from config.environment import Environment
from config.load import environment_names, load_environment, load_release, release_names
from config.secrets import generate
from tests.ports import free_ports

COMPOSE = Path(compose.__file__).with_name("docker-compose")


def changed(environment: Environment, **sections: dict[str, object]) -> Environment:
    tree = environment.model_dump()
    for section, keys in sections.items():
        tree[section] |= keys
    return Environment.model_validate(tree)


@pytest.mark.parametrize("version", release_names())
@pytest.mark.parametrize("name", environment_names())
@pytest.mark.parametrize("route", ["stack", "services"])
def test_compose_takes_every_environment_with_every_release(tmp_path, name, version, route):
    environment = changed(load_environment(name), portal={"route": route})
    release = load_release(version)
    for file in stack_files(environment, release, generate(release, {})):
        (tmp_path / file.name).write_text(file.content)
    done = subprocess.run(
        [COMPOSE, "--file", str(tmp_path / "compose.yaml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Answers(http.server.BaseHTTPRequestHandler):
    """Says which service it stands for and what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(101 if self.headers.get("Upgrade") else 200)
        self.send_header("X-Service", self.server.service)
        self.send_header("X-Path", self.path)
        for name in ("Host", "X-Forwarded-Proto", "Upgrade", "Connection", "Dify-Hook-Url"):
            self.send_header(f"X-Seen-{name}", self.headers.get(name, ""))
        if self.path.startswith("/v1/stream"):
            self._stream()
        else:
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _stream(self) -> None:
        self.end_headers()
        self.close_connection = True
        for _ in range(3):
            self.wfile.write(b"data: x\n\n")
            self.wfile.flush()
            time.sleep(0.3)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def service(name: str) -> Generator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.service = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Generator[str]:
    """The stack's nginx as rendered, only its port and the addresses of services moved."""
    text = routes_file(load_environment("sandbox"), load_release("1.15.0"))
    folder = tmp_path_factory.mktemp("nginx")
    port, inner = free_ports(2)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("listen 5001;", f"listen 127.0.0.1:{inner};")
    text = text.replace("/tmp/nginx.pid", str(folder / "pid"))
    with (
        service("api") as api,
        service("api_websocket") as websocket,
        service("web") as web,
        service("plugin_daemon") as plugin,
    ):
        for name, at in (("api_websocket", websocket), ("api", api), ("web", web)):
            text = re.sub(rf"\$upstream {name}-blue:\d+", f"$upstream 127.0.0.1:{at}", text)
        text = text.replace("plugin_daemon:5002", f"127.0.0.1:{plugin}")
        (folder / "nginx.conf").write_text(text)
        words = ["nginx", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
        nginx = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(100):
                with suppress(httpx.TransportError):
                    httpx.get(f"{address}/nginx-health", trust_env=False)
                    break
                time.sleep(0.05)
            yield address
        finally:
            nginx.terminate()
            nginx.wait(10)


def ask(stack: str, path: str, **headers: str) -> httpx.Headers:
    client = httpx.Client(base_url=stack, trust_env=False, timeout=10)
    with (
        client,
        client.stream("GET", path, headers={"Host": "dify.test:8443", **headers}) as answer,
    ):
        return answer.headers


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/console/api/setup?x=1", "api"),
        ("/api/site", "api"),
        ("/v1/workflows/run", "api"),
        ("/files/a%2Fb%20c/preview?sign=a%3D", "api"),
        ("/mcp/server/1/mcp", "api"),
        ("/triggers/webhook/x", "api"),
        ("/openapi", "api"),
        ("/e/abc/hook", "plugin_daemon"),
        ("/", "web"),
        ("/signin", "web"),
        ("/explore/apps", "web"),
        ("/inner/api/invoke/llm", "web"),
        ("/health", "web"),
        ("/threads", "web"),
        ("/db-pool-stat", "web"),
        ("/console/api/../../inner/api/invoke", "web"),
    ],
)
def test_each_path_reaches_its_service_as_it_was_asked(stack, path, name):
    host, _, port = stack.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b"")).decode()
    assert f"X-Service: {name}\r\n" in answer
    assert f"X-Path: {path}\r\n" in answer


def test_services_learn_how_people_called(stack):
    seen = ask(stack, "/console/api/setup", **{"X-Forwarded-Proto": "https"})
    assert seen["x-seen-host"] == "dify.test:8443"
    assert seen["x-seen-x-forwarded-proto"] == "https"
    assert ask(stack, "/api")["x-seen-x-forwarded-proto"] == "http"
    forged = ask(stack, "/api", **{"X-Forwarded-Proto": "gopher"})
    assert forged["x-seen-x-forwarded-proto"] == "http"
    hook = ask(stack, "/e/x?y=1", **{"X-Forwarded-Proto": "https"})
    assert hook["x-seen-dify-hook-url"] == "https://dify.test:8443/e/x?y=1"


def test_websockets_pass_where_they_belong_and_nowhere_else(stack):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    host, _, port = stack.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        lines = "".join(f"{name}: {value}\r\n" for name, value in upgrade.items())
        raw.sendall(f"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        answer = raw.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 101")
    assert "X-Service: api_websocket" in answer
    assert ask(stack, "/console/api/setup", **upgrade)["x-seen-upgrade"] == ""


def test_streams_are_not_held_back(stack):
    began = time.monotonic()
    client = httpx.Client(base_url=stack, trust_env=False, timeout=10)
    with client, client.stream("GET", "/v1/stream") as answer:
        arrived = [time.monotonic() - began for _ in answer.iter_raw()]
    assert len(arrived) == 3
    assert arrived[-1] - arrived[0] > 0.5


def test_the_health_location_answers_what_nginx_has_read(stack):
    answer = httpx.get(f"{stack}/nginx-health", trust_env=False)
    wanted = routes_file(load_environment("sandbox"), load_release("1.15.0"))
    assert (answer.status_code, answer.text) == (200, routes_digest(wanted))
