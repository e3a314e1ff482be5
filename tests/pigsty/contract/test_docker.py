"""docker.yml: the whole daemon.json, and a restart each time."""

import json

DAEMON = "/etc/docker/daemon.json"


def test_it_writes_daemon_json_and_restarts_every_time(pigsty):
    proxy = "http://user:Proxy.Secret@proxy.example:3128"
    mirrors = ["https://mirror.example"]
    pigsty.common(
        docker_enabled=True, docker_registry_mirrors=mirrors, proxy_env={"http_proxy": proxy}
    )
    pigsty.remove(DAEMON)
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    first = pigsty.docker_starts()
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert pigsty.docker_starts() != first
    daemon = json.loads(pigsty.read(DAEMON) or "")
    assert daemon["registry-mirrors"] == mirrors
    assert daemon["proxies"]["http-proxy"] == proxy
    assert daemon["data-root"] == "/data/docker"
    assert pigsty.mode(DAEMON) == 0o644, "everybody reads the proxy's password"


def test_a_daemon_json_that_is_closed_stays_so(pigsty):
    pigsty.common(docker_enabled=True, docker_registry_mirrors=["https://one.example"])
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    pigsty.close(DAEMON)
    pigsty.common(docker_enabled=True, docker_registry_mirrors=["https://other.example"])
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert "other.example" in (pigsty.read(DAEMON) or "") and pigsty.mode(DAEMON) == 0o600


def test_without_being_enabled_it_does_nothing(pigsty):
    pigsty.common(docker_enabled=False)
    before = pigsty.docker_starts()
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert pigsty.docker_starts() == before
