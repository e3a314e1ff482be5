"""A draft of 1.16.0 out of a miniature tree of the shapes Dify's has, beside 1.15.0."""

import tomllib

import pytest

from config.load import RELEASES, load_release
from config.release import Release
from config.release_draft.differences import differences, nearest
from config.release_draft.source import default, read, wanted
from config.release_draft.text import MARK, draft

COMPOSE = """\
x-shared: &shared
  restart: always
x-shared-env: &shared-env
  SECRET_KEY: ${SECRET_KEY:-sk-public}
  QDRANT_API_KEY: ${QDRANT_API_KEY:-public}
  PLUGIN_DAEMON_URL: ${PLUGIN_DAEMON_URL:-http://plugin_daemon:5002}
services:
  init_permissions: { image: "busybox:latest" }
  api:
    <<: *shared
    image: langgenius/dify-api:1.16.0
    environment:
      <<: *shared-env
      MODE: api
      PLUGIN_DAEMON_KEY: ${PLUGIN_DAEMON_KEY:-public}
      INNER_API_KEY_FOR_PLUGIN: ${PLUGIN_DIFY_INNER_API_KEY:-public}
      SENTRY_DSN: ${API_SENTRY_DSN:-}
      AGENT_BACKEND_BASE_URL: ${AGENT_BACKEND_BASE_URL:-http://agent_backend:5050}
      AGENT_BACKEND_API_TOKEN: ${DIFY_AGENT_API_TOKEN:-for-dev-only}
      AGENT_SHELL: ${AGENT_SHELL:-http://local_sandbox:5004}
  worker: { image: "langgenius/dify-api:1.16.0", environment: { MODE: worker } }
  worker_beat: { image: "langgenius/dify-api:1.16.0" }
  web: { image: "langgenius/dify-web:1.16.0" }
  db_postgres: { image: "postgres:15-alpine" }
  redis: { image: "redis:6-alpine" }
  sandbox: { image: "langgenius/dify-sandbox:0.2.15" }
  plugin_daemon: { image: "langgenius/dify-plugin-daemon:0.6.3-local" }
  ssrf_proxy: { image: "ubuntu/squid:latest" }
  local_sandbox:
    image: langgenius/dify-agent-local-sandbox:1.16.0
    environment:
      - SHELLCTL_AUTH_TOKEN=${DIFY_AGENT_SHELLCTL_AUTH_TOKEN:-}
      - DAEMON_API_KEY=${AGENT_DAEMON_KEY:-${PLUGIN_DAEMON_KEY:-public}}
      - INNER_API_KEY=${PLUGIN_DIFY_INNER_API_KEY:-public}
      - AGENT_TOKEN=${DIFY_AGENT_API_TOKEN:-for-dev-only}
      - NO_PROXY=localhost,127.0.0.1
      - REDIS_URL=redis://:${REDIS_PASSWORD:-public}@redis:6379/2
    volumes: [ "./volumes/agent:/workspace" ]
    healthcheck: { test: [ CMD, curl, -f, "http://localhost:5004/healthz" ] }
    networks: [ agent_sandbox_network ]
  agent_ssrf_proxy: { image: "ubuntu/squid:latest" }
  nginx: { image: "nginx:latest" }
  qdrant: { image: "langgenius/qdrant:v1.8.3", profiles: [ qdrant ] }
"""
NGINX = """\
server {
    location /console/api { proxy_pass http://api:5001; }
    location /explore {
      proxy_pass http://web:3000;
      include proxy.conf;
    }
    location /socket.io/ {
      resolver 127.0.0.11;
      set $up ${NGINX_SOCKET_IO_UPSTREAM};
      proxy_pass http://$up;
    }
    location / { proxy_pass http://web:3000; }
}
"""
TREE = {
    "docker/docker-compose.yaml": COMPOSE,
    "docker/nginx/conf.d/default.conf.template": NGINX,
    "docker/.env.example": "LOG_LEVEL=INFO\nSECRET_KEY=\nDB_HOST=db_postgres\n",
    "docker/envs/core-services/shared.env.example": "REDIS_HOST=redis\n",
    "api/migrations/versions/1_a.py": 'revision = "aaaaaaaaaaaa"\ndown_revision = None\n',
    "api/migrations/versions/2_b.py": "revision = 'bbbbbbbbbbbb'\ndown_revision = 'aaaaaaaaaaaa'\n",
    "api/docker/entrypoint.sh": 'DEFAULT_QUEUES="dataset,mail,app_rbac"\n',
}


@pytest.fixture
def base() -> Release:
    return load_release("1.15.0")


@pytest.fixture
def written(base: Release) -> str:
    text = (RELEASES / "1.15.0.toml").read_text()
    return draft("1.16.0", "1.15.0", text, differences(read(TREE), base))


def marked(text: str) -> list[str]:
    return [line.partition(MARK)[2].strip() for line in text.splitlines() if MARK in line]


def test_a_draft_is_a_release_file_already(written: str) -> None:
    release = Release.model_validate(tomllib.loads(written))
    assert release.version == "1.16.0" and not release.proved
    assert release.images["api"] == "langgenius/dify-api:1.16.0"
    assert release.images["plugin_daemon"] == "langgenius/dify-plugin-daemon:0.6.3-local"
    assert release.images["nginx"] == load_release("1.15.0").images["nginx"]
    assert release.migration.head == "bbbbbbbbbbbb"


def test_services_that_are_new_wait_for_a_word(written: str) -> None:
    release = Release.model_validate(tomllib.loads(written))
    new = {name: release.services[name] for name in ("local_sandbox", "agent_ssrf_proxy")}
    assert [service.switch for service in new.values()] == list(new)
    assert new["local_sandbox"].health and new["local_sandbox"].port == 5004
    assert new["local_sandbox"].environment == {
        "SHELLCTL_AUTH_TOKEN": "${DIFY_AGENT_SHELLCTL_AUTH_TOKEN}",
        "DAEMON_API_KEY": "${PLUGIN_DAEMON_KEY}",
        "INNER_API_KEY": "${INNER_API_KEY_FOR_PLUGIN}",
        "AGENT_TOKEN": "${DIFY_AGENT_API_TOKEN}",
        "NO_PROXY": "localhost,127.0.0.1",
        "REDIS_URL": "redis://:public@redis:6379/2",
    }
    assert "a password in it" in marked(written)
    assert release.images["local_sandbox"] == "langgenius/dify-agent-local-sandbox:1.16.0"
    assert not {"db_postgres", "init_permissions", "qdrant"} & set(release.services)


def test_what_looks_like_a_password_is_generated_and_marked(written: str) -> None:
    release = Release.model_validate(tomllib.loads(written))
    assert {"dify_agent_api_token", "dify_agent_shellctl_auth_token"} <= set(release.secrets)
    assert "for-dev-only" not in written.replace('AGENT_BACKEND_API_TOKEN = "for-dev-only"', "")


def test_settings_that_every_service_shares_are_no_news(base: Release, written: str) -> None:
    found = differences(read(TREE), base)
    assert set(found.added["api"]) == {
        "SENTRY_DSN", "AGENT_BACKEND_BASE_URL", "AGENT_BACKEND_API_TOKEN", "AGENT_SHELL",
    }  # fmt: skip
    assert not {"PLUGIN_DAEMON_URL", "PLUGIN_DAEMON_KEY"} & set(found.unknown)
    assert found.secrets == ("DIFY_AGENT_API_TOKEN", "DIFY_AGENT_SHELLCTL_AUTH_TOKEN")
    assert "qdrant" not in written


def test_hand_steps_are_those_of_one_release(base: Release, written: str) -> None:
    assert base.steps and not Release.model_validate(tomllib.loads(written)).steps


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("1.18.0", "1.17.1"),
        ("1.16.2", "1.16.1"),
        ("1.13.2", "1.15.0"),
        ("0.15.3", "0.6.11"),
        ("2.0", "1.17.1"),
    ],
)
def test_a_draft_begins_with_the_release_fewest_versions_away(version: str, wanted: str) -> None:
    assert nearest(version, ["0.6.11", "1.15.0", "1.16.1", "1.17.1"]) == wanted


@pytest.mark.parametrize(
    "point",
    [
        "[postgres] and [redis]: what it runs on is what 1.15.0 runs on, copied",
        "steps: what an upgrade to it takes beside its migration; none are copied",
        "api is given these, too, with their defaults there:",
        "no service api_websocket there any more; here it still runs",
        "route /explore to web",
        "no route /mcp there any more",
        "the worker's queues there (never pinned here): app_rbac, dataset, mail",
        "networks there: agent_sandbox_network",
        "a [state] for each, and who writes it: /workspace",
        "what local_sandbox is for, and whether it runs without being asked for",
        "named by nothing there: renamed, removed, or read by code only:",
    ],
)
def test_each_open_point_is_marked(written: str, point: str) -> None:
    assert point in marked(written)


def test_a_route_by_way_of_a_variable_is_not_lost(written: str) -> None:
    assert read(TREE).routes["/socket.io/"] == ""
    assert "no route /socket.io there any more" not in marked(written)


@pytest.mark.parametrize(
    "more", ["revision = 'cccccccccccc'\ndown_revision = 'aaaaaaaaaaaa'\n", ""]
)
def test_two_heads_or_none_are_no_head(base: Release, more: str) -> None:
    tree = {path: text for path, text in TREE.items() if more or "migrations" not in path}
    found = differences(read(tree | {"api/migrations/versions/3_c.py": more}), base)
    text = draft("1.16.0", "1.15.0", (RELEASES / "1.15.0.toml").read_text(), found)
    assert "migration.head: the tree has no migrations, or not one head" in marked(text)
    assert 'head = "d9e8f7a6b5c4"' in text


def test_the_same_tree_as_the_release_asks_for_nothing_new() -> None:
    found = differences(read(TREE), load_release("1.15.0"))
    assert found.images == {
        "api": "langgenius/dify-api:1.16.0",
        "web": "langgenius/dify-web:1.16.0",
        "local_sandbox": "langgenius/dify-agent-local-sandbox:1.16.0",
    }


def test_a_service_of_another_name_here_is_no_news() -> None:
    """1.16.1 calls local_sandbox agent_sandbox."""
    found = differences(read(TREE), load_release("1.16.1"))
    assert not {"local_sandbox", "agent_sandbox"} & {*found.services, *found.removed}
    assert found.added["agent_sandbox"].keys() == {
        "DAEMON_API_KEY", "INNER_API_KEY", "AGENT_TOKEN", "REDIS_URL",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [("${A:-x}", "x"), ("${A:-${B:-y}}", "y"), ("${A}", ""), ("z", "z"), ("${A:-}/p", "/p")],
)
def test_a_default_is_what_compose_makes_of_it(text: str, value: str) -> None:
    assert default(text) == value


@pytest.mark.parametrize(
    ("path", "read_it"),
    [
        ("docker-compose.yaml", True),
        ("dify/docker/envs/security.env.example", True),
        ("api/migrations/versions/x.py", True),
        ("docker/.env", False),
        ("api/app.py", False),
    ],
)
def test_only_what_describes_a_release_is_read(path: str, read_it: bool) -> None:
    assert wanted(path) is read_it
