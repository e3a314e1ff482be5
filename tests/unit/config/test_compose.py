import pytest
from ruamel.yaml import YAML

from config.desired import compose
from config.desired.colours import Colour
from config.desired.services import active
from config.desired.stack import mounted_files, stack_files
from config.load import load_environment, load_release, release_names
from config.release import Release
from config.secrets import generate


def rendered(environment, release):
    text = compose.render(environment, release, mounted_files(environment, release))
    return YAML(typ="safe").load(text)


@pytest.fixture
def stack(environment, release):
    return rendered(environment, release)


def test_every_service_is_bounded_and_comes_back(stack):
    assert len(stack["services"]) == 9
    for service in stack["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["pull_policy"] == "never"
        assert service["mem_limit"].endswith("m")
        options = {"max-size": "20m", "max-file": "5"}
        assert service["logging"] == {"driver": "json-file", "options": options}
        assert service["labels"]["dify-rollout.environment"] == "sandbox"


@pytest.mark.parametrize("version", release_names())
def test_every_service_may_do_only_what_its_release_says(environment, version):
    for name, service in rendered(environment, load_release(version))["services"].items():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] >= 512
        assert service["memswap_limit"] == service["mem_limit"]
        assert ("cap_add" in service) is (name == "sandbox")
        assert ("tmpfs" in service) is service.get("read_only", False)
        if name in ("nginx", "ssrf_proxy"):
            assert service["read_only"] and service["user"] in ("13:13", "101:101")


def test_memory_and_processes_grow_with_the_apis_processes(environment, release, changed):
    services = rendered(changed(environment, dify={"api_workers": 3}), release)["services"]
    assert services["api"]["mem_limit"] == "4608m"
    assert services["api"]["memswap_limit"] == "4608m"
    assert services["api"]["pids_limit"] == 1536
    assert services["worker"]["mem_limit"] == "2048m"


def test_the_project_and_its_networks(stack):
    assert stack["name"] == "dify-sandbox"
    assert stack["networks"] == {
        "default": {"ipam": {"config": [{"subnet": "172.30.31.0/25"}]}},
        "ssrf": {
            "internal": True,
            "driver_opts": {"com.docker.network.bridge.inhibit_ipv4": "true"},
            "ipam": {"config": [{"subnet": "172.30.31.128/27"}]},
        },
    }
    networks = {name: service["networks"] for name, service in stack["services"].items()}
    assert networks["worker"] == ["default", "ssrf"]
    assert list(networks["api"]) == ["default", "ssrf"]
    assert networks["ssrf_proxy"] == ["default", "ssrf"]
    assert networks["plugin_daemon"] == {"default": {"ipv4_address": "172.30.31.126"}, "ssrf": {}}
    assert networks["sandbox"] == ["ssrf"]
    assert list(networks["web"]) == networks["nginx"] == ["default"]


@pytest.mark.parametrize("version", release_names())
def test_only_nginx_publishes_on_the_stacks_route(environment, version, changed):
    plain = changed(environment, dify={"services": []})
    services = rendered(plain, load_release(version))["services"]
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published == {"nginx": ["127.0.0.1:8001:80"]}


def test_what_may_overlap_has_its_port_at_nginx_on_the_direct_route(environment, release, changed):
    direct = changed(environment, portal={"route": "services"}, dify={"direct_ports": {"web": 80}})
    services = rendered(direct, release)["services"]
    assert {name: s["ports"] for name, s in services.items() if "ports" in s} == {
        "plugin_daemon": ["127.0.0.1:5002:5002"],
        "nginx": ["127.0.0.1:5001:5001", "127.0.0.1:5003:5003", "127.0.0.1:80:3000"],
    }


def test_a_service_that_may_not_overlap_has_its_own_port_on_the_direct_route(
    environment, release, changed
):
    alone = {
        name: service.model_copy(update={"overlap": None})
        for name, service in release.services.items()
    }
    direct = changed(environment, portal={"route": "services"})
    services = rendered(direct, release.model_copy(update={"services": alone}))["services"]
    assert services["api"]["ports"] == ["127.0.0.1:5001:5001"]
    assert "ports" not in services["nginx"]


def test_settings_are_named_and_never_written(stack):
    api = stack["services"]["api"]["environment"]
    assert api["SECRET_KEY"] == "${SECRET_KEY}"
    assert api["MODE"] == "api"
    plugin = stack["services"]["plugin_daemon"]["environment"]
    assert plugin["SERVER_KEY"] == "${PLUGIN_DAEMON_KEY}"
    assert plugin["AWS_SECRET_KEY"] == "${PLUGIN_AWS_SECRET_KEY}"
    assert stack["services"]["sandbox"]["environment"]["API_KEY"] == "${CODE_EXECUTION_API_KEY}"
    assert stack["services"]["web"]["environment"]["NEXT_PUBLIC_SOCKET_URL"] == (
        "${NEXT_PUBLIC_SOCKET_URL}"
    )


@pytest.mark.parametrize("version", release_names())
def test_what_proxies_a_container_gets_is_the_releases(environment, changed, version):
    """Docker's command adds those of its own configuration to what a file leaves open."""
    agents = changed(environment, dify={"services": ["agent"]})
    release = load_release(version)
    running = rendered(agents if "agent_sandbox" in release.services else environment, release)
    for name, service in running["services"].items():
        own = release.services[name].environment if name in release.services else {}
        said = {"NO_PROXY": "localhost,127.0.0.1"} if "HTTP_PROXY" in own else {}
        for kind in ("HTTP", "HTTPS", "FTP", "ALL", "NO"):
            key = f"{kind}_PROXY"
            found = service["environment"][key], service["environment"][key.lower()]
            assert found == ((said | own).get(key, ""),) * 2, (name, key)


@pytest.mark.parametrize("version", release_names())
def test_every_reference_has_a_line_in_env(environment, version):
    from config.desired import env_file
    from config.release import REFERENCE

    release = load_release(version)
    settings = env_file.settings(environment, release, generate(release, {}))
    for service in active(environment, release).values():
        for value in compose.environment_of(service, release).values():
            if named := REFERENCE.fullmatch(value):
                assert named[1] in settings


def with_web(release: Release, **keys: object) -> Release:
    web = release.services["web"].model_copy(update=keys)
    return release.model_copy(update={"services": {**release.services, "web": web}})


def test_only_an_exact_reference_is_one_and_every_other_dollar_is_itself(environment, release):
    literal = {"A": "$x", "B": "${DB_HOST}", "C": "a${DB_HOST}", "D": "$$", "E": "${db}", "F": "$"}
    shell = ["sh", "-c", "echo $HOME ${DB_HOST}"]
    odd = with_web(
        release,
        environment=literal,
        command=shell,
        entrypoint=shell,
        health=release.services["api"].health.model_copy(update={"command": shell}),
    )
    web = rendered(environment, odd)["services"]["web"]
    escaped = ["sh", "-c", "echo $$HOME $${DB_HOST}"]
    assert {key: web["environment"][key] for key in literal} == {
        "A": "$$x", "B": "${DB_HOST}", "C": "a$${DB_HOST}", "D": "$$$$", "E": "$${db}", "F": "$$",
    }  # fmt: skip
    assert web["command"] == web["entrypoint"] == escaped
    assert web["healthcheck"]["test"] == ["CMD", *escaped]


def test_state_and_files_are_mounted(stack, environment):
    home, data = environment.dify.home, environment.dify.data
    bind = {"create_host_path": False}
    state = {"type": "bind", "source": str(data / "app/storage"), "target": "/app/api/storage"}
    assert stack["services"]["api"]["volumes"] == [{**state, "bind": bind}]
    assert stack["services"]["worker"]["volumes"] == stack["services"]["api"]["volumes"]
    conf = {"type": "bind", "source": str(home / "nginx"), "target": "/etc/nginx/conf.d"}
    assert stack["services"]["nginx"]["volumes"] == [{**conf, "read_only": True, "bind": bind}]


def test_each_colour_has_a_name_of_its_own_and_the_plain_one(environment, release):
    files = mounted_files(environment, release)
    texts = (
        compose.render_both(environment, release, files),
        compose.render(environment, release, files, {"api": Colour.GREEN}),
    )
    both, green = (YAML(typ="safe").load(text)["services"] for text in texts)
    assert "api" not in green
    assert green["api-green"] == both["api-green"]
    assert both["api"].pop("networks")["default"] == {"aliases": ["api-blue"]}
    assert both["api-green"].pop("networks")["default"] == {"aliases": ["api"]}
    assert both["api"] == both["api-green"]
    assert "sandbox-green" not in both


def test_the_colours_are_read_from_the_file_alone(environment, release):
    files = mounted_files(environment, release)
    colours = {"api": Colour.GREEN, "worker": Colour.GREEN}
    assert compose.written_colours(compose.render(environment, release, files, colours)) == colours
    assert compose.written_colours(compose.render(environment, release, files)) == {}
    assert compose.written_colours("") == {}


def test_a_changed_file_changes_the_label_of_who_mounts_it(environment, release, changed):
    def labels(body_size_mb):
        env = changed(environment, portal={"body_size_mb": body_size_mb})
        services = rendered(env, release)["services"]
        return {n: s["labels"].get("dify-rollout.files") for n, s in services.items()}

    before, after = labels(100), labels(200)
    assert before == after  # the stack's nginx reads its folder again, and is not made anew
    assert {name for name, label in before.items() if label} == {"sandbox", "ssrf_proxy"}


def test_rendering_twice_gives_the_same_text(release):
    first, second = (
        stack_files(load_environment("prod"), load_release("1.15.0"), generate(release, {}))
        for _ in range(2)
    )
    assert [f for f in first if f.name != ".env"] == [f for f in second if f.name != ".env"]


def test_the_file_says_who_wrote_it(environment, release):
    text = compose.render(environment, release, mounted_files(environment, release))
    assert text.startswith("# Written by dify-rollout")
