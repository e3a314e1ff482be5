"""docker.yml: the whole daemon.json, and a restart each time."""

import json


def test_it_writes_daemon_json_and_restarts_every_time(pigsty):
    proxy = "http://user:Proxy.Secret@proxy.example:3128"
    mirrors = ["https://mirror.example"]
    pigsty.common(
        docker_enabled=True, docker_registry_mirrors=mirrors, proxy_env={"http_proxy": proxy}
    )
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    first = pigsty.docker_starts()
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert pigsty.docker_starts() != first
    daemon = json.loads(pigsty.read("/etc/docker/daemon.json") or "")
    assert daemon["registry-mirrors"] == mirrors
    assert daemon["proxies"]["http-proxy"] == proxy
    assert daemon["data-root"] == "/data/docker"
    assert pigsty.mode("/etc/docker/daemon.json") == 0o644, "everybody reads the proxy's password"


def test_without_being_enabled_it_does_nothing(pigsty):
    pigsty.common(docker_enabled=False)
    before = pigsty.docker_starts()
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert pigsty.docker_starts() == before
