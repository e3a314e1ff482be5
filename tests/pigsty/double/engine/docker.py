"""docker.yml: daemon.json replaced, Docker restarted, each time. No engine is really touched."""

import json

from engine.play import CHANGED, OK, SKIPPED, Done, Failed, Task
from engine.world import Host

DAEMON = "/etc/docker/daemon.json"


def tasks() -> list[Task]:
    listed = [
        Task("docker : install docker and docker-compose", _install, ("docker_install",),
             ignore_errors=True),
        Task("docker : create docker dir", _folder, ("docker_dir",)),
        Task("docker : render /etc/docker/daemon.json", _config, ("docker_config",)),
        Task("docker : launch docker systemd service", _launch, ("docker_launch",)),
        Task("docker : find local docker image cache", lambda _: OK, ("docker_image",)),
    ]  # fmt: skip
    return [Task(t.name, t.act, (*t.tags, "docker"), t.ignore_errors) for t in listed]


def _enabled(host: Host) -> bool:
    return bool(host.get("docker_enabled", False))


def _install(host: Host) -> Done:
    if not _enabled(host):
        return SKIPPED
    if host.down("packages"):
        raise Failed("No package matching 'docker-ce' is available")
    return OK


def _folder(host: Host) -> Done:
    if not _enabled(host):
        return SKIPPED
    host.path(host.get("docker_data", "/data/docker")).mkdir(parents=True, exist_ok=True)
    return OK


def _config(host: Host) -> Done:
    if not _enabled(host):
        return SKIPPED
    driver = host.get("docker_cgroups_driver", "systemd")
    content = {
        "exec-opts": [f"native.cgroupdriver={driver}"],
        "log-driver": "json-file",
        "log-opts": {"max-size": "100m"},
        "metrics-addr": f"{host.name}:{host.get('docker_exporter_port', 9323)}",
        "experimental": True,
        "registry-mirrors": host.get("docker_registry_mirrors", []),
    }
    if host.world.modern:
        content["data-root"] = host.get("docker_data", "/data/docker")
        content["storage-driver"] = host.get("docker_storage_driver", "overlay2")
        content["max-concurrent-downloads"] = 8
        if (proxies := _proxies(host)) is not None:
            content["proxies"] = proxies
    text = json.dumps(content, indent=2) + "\n"
    path = host.path(DAEMON)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    return CHANGED if host.write(DAEMON, text, mode) else OK


def _proxies(host: Host) -> dict[str, str] | None:
    given = host.get("proxy_env")
    if not isinstance(given, dict):
        return None
    found = {
        f"{kind}-proxy": given.get(f"{kind}_proxy", given.get("all_proxy"))
        for kind in ("http", "https")
    }
    usual = "localhost,127.0.0.1,10.0.0.0/8,192.168.0.0/16,*.pigsty"
    kept = {name: value for name, value in found.items() if value}
    return {**kept, "no-proxy": given.get("no_proxy", usual)}


def _launch(host: Host) -> Done:
    if not _enabled(host):
        return SKIPPED
    if host.down("docker"):
        raise Failed("Could not find the requested service docker: host")
    host.note("restarted docker")
    return CHANGED
