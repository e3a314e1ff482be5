"""The releases that bring agents: deployed with them, upgraded from one to the next, closed in."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from config.desired.services import active
from config.load import load_release
from config.secrets import generate
from tasks.core.site import Site
from tasks.probes.verify.run import failed, verify
from tasks.steps import revisions
from tests.integration.stack import deploy, deployed
from tests.integration.test_code_reach import machine, tried

FIRST, NEXT = "1.16.1", "1.17.1"
AGENTS = {"agent_backend", "agent_sandbox", "agent_ssrf_proxy"}


@pytest.fixture(scope="module")
def first(module_sandbox_site: Any) -> Generator[Site]:
    with deployed(module_sandbox_site, FIRST, services=("api_websocket", "agent")) as site:
        yield site


def moved(site: Site, release: str, services: list[str]) -> Site:
    """The same environment, whose file names another release or other services."""
    dify = site.environment.dify.model_copy(update={"release": release, "services": services})
    new = load_release(release)
    environment = site.environment.model_copy(update={"dify": dify})
    return Site(environment, new, generate(new, site.secrets))


def states(site: Site) -> dict[str, str]:
    found = site.docker.containers(site.environment.dify.project)
    return {container.service: container.state for container in found}


def asks(site: Site, service: str, *words: str) -> str:
    """The status that curl in the service's container gets."""
    name = f"{site.environment.dify.project}-{service}-1"
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "9", *words]
    return site.docker.inside(name, curl)


def token(site: Site) -> str:
    return f"Authorization: Bearer {site.secrets['agent_api_token'].get_secret_value()}"


def test_agents_run_and_a_second_deploy_changes_nothing(first: Site) -> None:
    assert set(states(first)) >= AGENTS and set(states(first).values()) == {"running"}
    assert failed(verify(first, deep=True)) is None
    assert deploy(first) == []


def test_whoever_has_the_token_has_a_program_run_in_the_sandbox(first: Site) -> None:
    url = "http://agent_backend:5050/sandbox"
    assert asks(first, "api", "--noproxy", "*", url) == "401"
    assert asks(first, "api", "--noproxy", "*", "-H", token(first), url) == "200"
    name = f"{first.environment.dify.project}-api-1"
    said = first.docker.inside(name, ["curl", "-s", "--noproxy", "*", "-H", token(first), url])
    assert json.loads(said) == {"code": 0, "out": "1000\n", "err": ""}


def test_code_of_agents_reaches_neither_state_nor_api_nor_machine(first: Site) -> None:
    postgres, redis = first.environment.postgres, first.environment.redis
    state = [f"{postgres.host}:{postgres.port}", f"{redis.host}:{redis.port}"]
    peers = ["api:5001", "plugin_daemon:5002", "ssrf_proxy:3128"]
    doors = [f"{address}:22" for address in machine(first)]
    assert tried(first, "agent_sandbox", [*state, *peers, *doors]) == set()
    known = ["agent_backend:5050", "agent_ssrf_proxy:3128"]
    assert tried(first, "agent_sandbox", known) == set(known)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://api:5001/files/none/file-preview", "4"),
        ("http://agent_backend:5050/agent-stub/x", "401"),
        ("http://api:5001/console/api/setup", "403"),
        ("http://api:5001/inner/api/x", "403"),
        ("http://agent_backend:5050/runs", "403"),
        ("http://plugin_daemon:5002/health/check", "403"),
        ("http://{postgres.host}:{postgres.port}/", "403"),
    ],
)
def test_their_proxy_leads_to_files_and_to_what_the_backend_has_for_them(
    first: Site, url: str, status: str
) -> None:
    through = ("-x", "http://agent_ssrf_proxy:3128")
    said = asks(first, "agent_sandbox", *through, url.format(postgres=first.environment.postgres))
    assert said.startswith(status) and (status != "4" or said != "403")


@pytest.mark.long
def test_the_next_release_takes_the_database_and_keeps_what_agents_write(first: Site) -> None:
    site = moved(first, NEXT, first.environment.dify.services)
    assert "migrate the schema" in deploy(site)
    assert revisions.in_database(site) == "5eed00001171"
    assert failed(verify(site, deep=True)) is None
    folder = site.environment.dify.data / "agent" / "workspace"
    assert folder.stat().st_uid == 1000
    name = f"{site.environment.dify.project}-agent_sandbox-1"
    site.docker.inside(name, ["sh", "-c", "echo kept | tee /workspace/note"])
    assert (folder / "note").read_text() == "kept\n"
    assert deploy(site) == []


@pytest.mark.long
def test_without_the_word_they_go_and_dify_stays(first: Site) -> None:
    site = moved(first, NEXT, ["api_websocket"])
    deploy(site)
    assert set(states(site)) == set(active(site.environment, site.release))
    assert not AGENTS & set(states(site))
    assert set(site.docker.networks(site.environment.dify.project)) == {"default", "ssrf"}
    assert failed(verify(site, deep=True)) is None
    assert deploy(site) == []
