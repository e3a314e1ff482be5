"""Which proxies of Docker's client configuration stand between the services."""

import json
from pathlib import Path

import pytest

from config.load import load_environment, load_release
from config.rules.finding import Status
from tasks.core.site import Site
from tasks.probes.preflight.container_proxies import beside, container_proxies

PROXY = {"httpProxy": "http://joe:letmein@10.0.0.1:3128"}


def configuration(**more: str) -> str:
    return json.dumps({"proxies": {"default": {**PROXY, **more}}})


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", []),
        ("{}", []),
        ("no json", []),
        ("[]", []),
        ('{"proxies": {"default": {"noProxy": "a"}}}', []),
        (configuration(), ["api", "localhost"]),
        (configuration(noProxy="localhost, web"), ["api"]),
        (configuration(noProxy="localhost,api"), []),
        (configuration(noProxy="*"), []),
    ],
)
def test_what_a_proxy_would_be_asked_for(text: str, missing: list[str]) -> None:
    assert beside(text, ["localhost", "api"]) == missing


def test_the_sentence_says_what_to_add_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    environment = load_environment("sandbox")
    site = Site(environment, load_release(environment.dify.release), {})
    assert container_proxies(site).status is Status.OK
    (tmp_path / "config.json").write_text(configuration())
    found = container_proxies(site)
    assert found.status is Status.FAIL
    assert "noProxy: 127.0.0.1,api,api_websocket,localhost,nginx," in found.advice
    assert "letmein" not in found.said + found.advice
