"""Proxies of Docker's client configuration have no effect, and preflight says so."""

import json
from pathlib import Path

import pytest

from config.load import load_environment, load_release
from config.rules.finding import Status
from tasks.core.site import Site
from tasks.probes.preflight.container_proxies import container_proxies, has_proxies

PROXIES = json.dumps({"proxies": {"default": {"httpProxy": "http://joe:letmein@10.0.0.1:3128"}}})


@pytest.mark.parametrize(
    ("text", "found"),
    [("", False), ("{}", False), ("no json", False), ("[]", False), (PROXIES, True)],
)
def test_what_is_read_as_proxies(text: str, *, found: bool) -> None:
    assert has_proxies(text) is found


def test_they_are_named_as_without_effect_and_without_their_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    environment = load_environment("sandbox")
    site = Site(environment, load_release(environment.dify.release), {})
    assert container_proxies(site).said == "none in Docker's client configuration"
    (tmp_path / "config.json").write_text(PROXIES)
    reading = container_proxies(site)
    assert (reading.status, reading.said) == (
        Status.OK,
        "those of ~/.docker/config.json reach no container of Dify",
    )
