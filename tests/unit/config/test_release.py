# ruff: noqa: E501 - tables of cases
import re
import tomllib

import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from config.desired import compose, env_file
from config.desired.services import active, images, published, routes
from config.desired.stack import mounted_files
from config.errors import ConfigError
from config.load import RELEASES, load_release, release_names
from config.rules.revisions import number
from config.secrets import generate

OLD = "0.6.11"
AGENTS = ("1.16.1", "1.17.1")
NEW = "1.15.0"
SECRET = SecretStr("x")


@pytest.fixture
def said(tmp_path):
    """What is said of release 1.15.0 with one text replaced by another."""

    def say(old: str, new: str) -> list[str]:
        text = (RELEASES / f"{NEW}.toml").read_text()
        assert old in text
        (tmp_path / f"{NEW}.toml").write_text(text.replace(old, new, 1))
        with pytest.raises(ConfigError) as refused:
            load_release(NEW, tmp_path)
        return [line.replace(f"{tmp_path}/", "") for line in refused.value.problems]

    return say


SERVICES = (
    "expected one of: api, worker, worker_beat, api_websocket, web, sandbox, plugin_daemon, "
    "ssrf_proxy, nginx"
)
IMAGES = "expected one of: api, web, sandbox, plugin_daemon, ssrf_proxy, nginx"
BAD = [
    ('user = "13:13"', 'user = "proxy"', "services.ssrf_proxy.user: 'proxy' is not allowed; expected text like ^[0-9]+:[0-9]+$"),
    ('image = "web"', 'image = "wb"', f"services.web.image: unknown name 'wb'; {IMAGES}"),
    ('image = "web"', "imag = 1", "services.web.image: missing; expected a value"),
    (
        'env = ["web"]',
        'env = ["weeb"]',
        "services.web.env: unknown name 'weeb'; expected one of: rollout, core, database, "
        "redis, broker, vector, storage, peers, plugin, web",
    ),
    (
        '"${CONSOLE_API_URL}"',
        '"${CONSOLE_URL}"',
        "services.web.environment.CONSOLE_API_URL: ${CONSOLE_URL} is no key of [env]; "
        "expected one that is",
    ),
    (
        "{{ secret.sandbox_key }}",
        "{{ secret.sandbx_key }}",
        "env.peers.CODE_EXECUTION_API_KEY: unknown name 'sandbx_key'; expected one of: "
        "secret_key, postgres_password, redis_password, init_password, admin_password, "
        "sandbox_key, plugin_daemon_key, inner_api_key, s3_access_key, s3_secret_key",
    ),
    (
        "{{ redis.port }}",
        "{{ redis.prt }}",
        "env.redis.REDIS_PORT: unknown name 'prt'; expected one of: host, port, user, database, "
        "broker_database, sentinels, sentinel_master, max_memory_mb",
    ),
    (
        "{{ redis.port }}",
        "{{ redis.port }",
        "env.redis.REDIS_PORT: not a template: unexpected '}'; expected {{ section.key }}",
    ),
    ('service = "web"', 'service = "wub"', f"routes: unknown name 'wub'; {SERVICES}"),
    ('service = "web"', 'service = "worker"', "routes: / leads to worker, which has no port; expected one"),
    ('path = "/mcp"', 'path = "mcp; }"', "routes.5.path: 'mcp; }' is not allowed; expected text like ^/[A-Za-z0-9._/-]*$"),
    ('writers = ["api"', 'writers = ["app"', f"migration.writers: unknown name 'app'; {SERVICES}"),
    ('version = "1.15.0"', 'version = "1.15.1"', "version: '1.15.1' is not the file's name; expected '1.15.0'"),
    ("memory_mb = 1024", "memory_mb = '1g'", "services.api_websocket.memory_mb: '1g' is not allowed; expected a whole number"),
    ('volumes = { storage =', 'volumes = { stuff =', "services.api.volumes: unknown name 'stuff'; expected one of: storage, plugin_daemon"),
    ("lock_s = 60", "lock = 60", "migration.lock_s: missing; expected a value"),
    ('form = "letters", length = 32', 'form = "hex", length = 32', "secrets.postgres_password.form: 'hex' is not allowed; expected 'letters', 'base64' or 'base64url'"),
    ('form = "letters", length = 32', 'form = "base64url", bytes = 8', "secrets.postgres_password.bytes: 8 is not allowed; expected at least 16"),
    ('form = "letters", length = 32', 'form = "letters", bytes = 32', "secrets.postgres_password.length: form 'letters' is made by its length alone; expected it"),
    ("port = 3000\n", "", "services.web.port: missing; expected the port to publish"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), BAD, ids=[bad[2][:40] for bad in BAD])
def test_one_sentence_says_what_is_wrong_with_a_release(said, old, new, sentence):
    assert f"{NEW}.toml: {sentence}" in said(old, new)


def test_an_unknown_key_of_a_service_gets_a_suggestion(said):
    assert said("stop_s = 60", "stop = 60") == [
        f"{NEW}.toml: services.worker.stop: unknown key; did you mean services.worker.stop_s?"
    ]


def test_all_problems_of_a_release_are_said_at_once(said):
    text = (RELEASES / f"{NEW}.toml").read_text()
    broken = text.replace('image = "web"', 'image = "x"').replace('env = ["web"]', 'env = ["y"]')
    assert len(said(text, broken)) == 2


@pytest.mark.parametrize("version", release_names())
def test_no_setting_is_given_twice(version):
    env = tomllib.loads((RELEASES / f"{version}.toml").read_text())["env"]
    keys = [key for group in env.values() for key in group]
    assert len(keys) == len(set(keys))


def test_the_current_line_has_its_services(environment, release, changed):
    assert list(active(environment, release)) == [
        "api", "worker", "worker_beat", "api_websocket", "web", "sandbox", "plugin_daemon",
        "ssrf_proxy", "nginx",
    ]  # fmt: skip
    beats = [
        s for s in active(environment, release).values() if s.environment.get("MODE") == "beat"
    ]
    assert len(beats) == 1
    assert "api_websocket" not in active(changed(environment, dify={"services": []}), release)


def test_the_original_recipe_has_its_services(environment, changed):
    release = load_release(OLD)
    plain = changed(environment, dify={"services": []})
    assert list(active(plain, release)) == ["api", "worker", "web", "nginx"]
    proxied = changed(environment, dify={"services": ["ssrf_proxy"]})
    assert list(active(proxied, release)) == ["api", "worker", "web", "ssrf_proxy", "nginx"]
    assert plain.dify.port == 8001


@pytest.mark.parametrize(
    ("services", "proxy"), [([], ""), (["ssrf_proxy"], "http://ssrf_proxy:3128")]
)
def test_requests_go_through_the_proxy_only_where_it_runs(environment, changed, services, proxy):
    release = load_release(OLD)
    settings = env_file.settings(changed(environment, dify={"services": services}), release, dict.fromkeys(release.secrets, SECRET))  # fmt: skip
    assert settings["SSRF_PROXY_HTTP_URL"] == settings["SSRF_PROXY_HTTPS_URL"] == proxy


def test_images_are_those_that_run(environment, changed):
    release = load_release(OLD)
    direct = changed(environment, dify={"services": []}, portal={"route": "services"})
    assert images(direct, release) == {
        "api": "langgenius/dify-api:0.6.11",
        "web": "langgenius/dify-web:0.6.11",
        "nginx": release.images["nginx"],
    }


def test_routes_lead_to_what_runs_longest_path_first(environment, release, changed):
    without = changed(environment, dify={"services": []})
    paths = [route.path for route in routes(without, release)]
    assert "/socket.io/" not in paths
    assert paths[-1] == "/"
    assert [len(path) for path in paths] == sorted(map(len, paths), reverse=True)
    assert "/socket.io/" in [route.path for route in routes(environment, release)]


@pytest.mark.parametrize("version", release_names())
def test_nothing_of_the_inside_is_routed(version):
    release = load_release(version)
    for path in ("/inner/api/x", "/health", "/threads", "/db-pool-stat"):
        matching = [route for route in release.routes if path.startswith(route.path)]
        assert [route.service for route in matching] == ["web"]


def test_only_the_route_publishes(environment, release, changed):
    def ports(route):
        env = changed(environment, portal={"route": route})
        running = active(env, release)
        return {n: p for n, s in running.items() if (p := published(env, s)) is not None}

    assert ports("stack") == {"nginx": 8001}
    assert ports("services") == {
        "api": 5001, "api_websocket": 5003, "web": 3000, "plugin_daemon": 5002,
    }  # fmt: skip


def test_migrations_run_once_and_elsewhere_never(environment, release, secrets):
    assert release.migration.run.environment["MIGRATION_ENABLED"] == "true"
    assert env_file.settings(environment, release, secrets)["MIGRATION_ENABLED"] == "false"
    writers = [n for n, s in release.services.items() if s.image == "api"]
    assert release.migration.writers == writers


@pytest.mark.parametrize("version", release_names())
def test_env_holds_every_secret_by_itself_so_that_a_stack_can_be_adopted(environment, version):
    release = load_release(version)
    secrets = {name: SecretStr(f"/@{name}") for name in release.secrets}
    values = env_file.settings(environment, release, secrets).values()
    assert {f"/@{name}" for name in secrets} <= set(values)


@pytest.mark.parametrize("version", release_names())
def test_no_container_gets_the_password_of_the_first_account(version):
    release = load_release(version)
    for service in release.services.values():
        assert "rollout" not in service.env
        assert "${ROLLOUT_ADMIN_PASSWORD}" not in service.environment.values()


@pytest.mark.parametrize("version", release_names())
def test_no_image_is_named_by_a_word_that_moves(version):
    for image in load_release(version).images.values():
        _, colon, tag = image.rpartition(":")
        assert colon and re.match(r"\d+\.\d+", tag)


@pytest.mark.parametrize("version", release_names())
def test_a_plan_knows_the_newest_revision_before_the_image_is_here(version):
    assert re.fullmatch("[0-9a-f]{12}", load_release(version).migration.head)


@pytest.mark.parametrize("version", [name for name in release_names() if number(name) >= (1, 13)])
def test_gunicorn_of_1_13_and_later_makes_no_control_socket(version):
    """It hangs where it may not write one, and 1.13 sometimes also where it may."""
    apis = [
        s for s in load_release(version).services.values() if s.environment.get("MODE") == "api"
    ]
    assert apis
    for service in apis:
        assert service.environment["GUNICORN_CMD_ARGS"] == "--no-control-socket"


@pytest.mark.parametrize("version", AGENTS)
def test_one_word_runs_all_that_agents_need(environment, changed, version):
    release = load_release(version)
    plain = active(changed(environment, dify={"services": []}), release)
    agents = active(changed(environment, dify={"services": ["agent"]}), release)
    assert set(agents) - set(plain) == {"agent_backend", "agent_sandbox", "agent_ssrf_proxy"}
    assert set(plain) < set(agents)


@pytest.mark.parametrize("version", AGENTS)
@pytest.mark.parametrize(
    ("services", "url", "shown"),
    [([], "", "false"), (["agent"], "http://agent_backend:5050", "true")],
)
def test_dify_offers_agents_only_where_they_run(
    environment, changed, version, services, url, shown
):
    release = load_release(version)
    settings = env_file.settings(
        changed(environment, dify={"services": services}), release, generate(release, {})
    )
    assert settings["AGENT_BACKEND_BASE_URL"] == url
    assert settings["NEXT_PUBLIC_ENABLE_AGENT_V2"] == shown


@pytest.mark.parametrize("version", AGENTS)
def test_both_ends_of_a_pair_have_one_key(version):
    services = load_release(version).services
    backend, sandbox = services["agent_backend"].environment, services["agent_sandbox"].environment
    assert sandbox["SHELLCTL_AUTH_TOKEN"] in backend.values()
    assert backend["DIFY_AGENT_API_TOKEN"] == "${AGENT_BACKEND_API_TOKEN}"
    assert "agent" in services["api"].env and "agent" in services["worker"].env
    assert services["agent_backend"].stop_s > int(backend["DIFY_AGENT_SHUTDOWN_GRACE_SECONDS"])


@pytest.mark.parametrize("version", AGENTS)
def test_nothing_is_reported_to_the_vendor(environment, version):
    release = load_release(version)
    settings = env_file.settings(environment, release, generate(release, {}))
    assert settings["DISABLE_TELEMETRY"] == settings["DO_NOT_TRACK"] == "true"
    assert release.services["web"].environment["NEXT_TELEMETRY_DISABLED"] == "1"


@pytest.mark.parametrize("version", AGENTS)
def test_code_of_agents_is_in_no_network_of_the_state(environment, changed, version):
    release = load_release(version)
    agents = changed(environment, dify={"services": ["agent"]})
    document = YAML(typ="safe").load(
        compose.render(agents, release, mounted_files(agents, release))
    )
    inner = document["services"]["agent_sandbox"]["networks"]
    assert inner == ["agent", "agent_proxy"]
    assert all(document["networks"][network]["internal"] for network in inner)
    members = {
        network: [n for n, s in document["services"].items() if network in s["networks"]]
        for network in inner
    }
    assert members == {
        "agent": ["agent_backend", "agent_sandbox"],
        "agent_proxy": ["agent_sandbox", "agent_ssrf_proxy"],
    }
    plain = compose.render(environment, release, mounted_files(environment, release))
    assert set(YAML(typ="safe").load(plain)["networks"]) == {"default", "ssrf"}


@pytest.mark.parametrize("version", release_names())
def test_gunicorn_ends_by_itself_before_docker_kills_it(version):
    services = load_release(version).services
    ends = [services[name].stop_s for name in ("api", "api_websocket") if name in services]
    assert min(ends) > 30  # what gunicorn gives requests where nothing else is said
