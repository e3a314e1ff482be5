"""A Prefect server that fails, or is none, is one sentence of every command."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from config.load import ROOT


@pytest.fixture(params=[500, 404, 200])
def failing(request: pytest.FixtureRequest) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(request.param)
            self.end_headers()
            self.wfile.write(b"<html>something else</html>")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()


@pytest.mark.parametrize(
    "words", ["plan prod", "deploy prod --yes", "history prod", "server setup"]
)
def test_a_server_that_fails_is_one_sentence(failing: str, words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "rollout"), *words.split()],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PREFECT_API_URL": failing, "PREFECT_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert failing in done.stderr and "Prefect" in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line]) <= 2


def history(folder: Path, url: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).parent / "rollout"), "history", "prod"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PREFECT_API_URL": url, "PREFECT_HOME": str(folder), **variables},
    )  # fmt: skip


def test_a_proxy_is_not_asked_for_a_server_of_this_machine(prefect: str, tmp_path: Path) -> None:
    nowhere = dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    socks = dict.fromkeys(("ALL_PROXY", "all_proxy"), "socks5://127.0.0.1:9")
    done = history(tmp_path, prefect, **nowhere, **socks)
    assert done.returncode == 0, done.stderr


def test_an_address_without_api_is_completed_in_the_sentence(prefect: str, tmp_path: Path) -> None:
    done = history(tmp_path, prefect.removesuffix("/api"))
    assert f"expected PREFECT_API_URL={prefect}\n" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_socks_proxy_is_one_sentence(prefect: str, tmp_path: Path) -> None:
    done = history(tmp_path, "http://192.0.2.1/api", HTTP_PROXY="socks5://127.0.0.1:9")
    assert "names a SOCKS proxy" in done.stderr and len(done.stderr.splitlines()) == 1
