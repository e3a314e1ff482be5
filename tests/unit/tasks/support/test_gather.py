"""What is gathered for a report: no secret in it, and a word for what could not be asked."""

import httpx
import pytest
from pydantic import SecretStr

from config.errors import RolloutError
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.support import gather
from tasks.support.gather import gathered


@pytest.fixture
def site() -> Site:
    environment = load_environment("sandbox")
    secrets = {"redis_password": SecretStr("s3cret/pass")}
    return Site(environment, load_release(environment.dify.release), secrets)


def test_secrets_are_hidden_in_every_spelling(site: Site) -> None:
    texts = gathered(site, {"runs": lambda: {"a.log": "redis://:s3cret%2Fpass@host s3cret/pass"}})
    assert texts["runs/a.log"] == "redis://:***@host ***"


@pytest.mark.parametrize("kind", [RolloutError, httpx.ConnectError])
def test_what_cannot_be_asked_says_why_and_the_rest_is_there(
    site: Site, kind: type[Exception]
) -> None:
    def away() -> dict[str, str]:
        raise kind("the server with s3cret/pass does not answer")

    texts = gathered(site, {"plan": away})
    assert texts["plan/not-asked.txt"] == "the server with *** does not answer\n"
    assert {"versions.json", "environment.json", "environment.toml"} <= set(texts)
    assert any(path.endswith("machine/machine.txt") for path in texts)


def test_a_secret_that_stays_stops_the_report(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def unhidden(text: str, _: object) -> str:
        return text

    monkeypatch.setattr(gather, "hidden", unhidden)
    with pytest.raises(RolloutError, match=r"runs/a.log would hold the secret redis_password"):
        gathered(site, {"runs": lambda: {"a.log": "s3cret/pass"}})
