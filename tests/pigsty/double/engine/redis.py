"""Redis instances of a machine, as redis.yml makes them: written and restarted every time."""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.play import CHANGED, OK, SKIPPED, Done, Ended, Failed, Task
from engine.world import Host, answers, end, run


def tasks(hosts: Sequence[Host], given: dict[str, Any]) -> list[Task]:
    ports = sorted({int(p) for host in hosts for p in host.get("redis_instances", {})})
    only = given.get("redis_port")
    node = ("redis_node", "redis")
    result = [
        Task("skip non-redis hosts", _only_redis, ("always",)),
        Task("redis : check redis instance config", _check, ("always",)),
        Task("redis : install redis engine binaries", lambda _: OK, ("redis_install", *node)),
        Task("redis : create redis directories", _folders, ("redis_dir", *node)),
    ]
    for port in ports:
        if only is None or int(only) == port:
            result += _instance(port)
    return result


def _instance(port: int) -> list[Task]:
    return [
        Task(f"redis : render config for {port}", lambda host: _config(host, port),
             ("redis_config", "redis_instance", "redis")),
        Task(f"redis : render systemd svc for {port}", lambda host: _unit(host, port),
             ("redis_config", "redis_instance", "redis")),
        Task(f"redis : launch {port}", lambda host: _launch(host, port),
             ("redis_launch", "redis_instance", "redis")),
    ]  # fmt: skip


def name(host: Host, port: int) -> str:
    return f"{host.get('redis_cluster')}-{host.get('redis_node')}-{port}"


def pid_file(host: Host, port: int) -> Path:
    return host.path(f"/run/redis/{name(host, port)}.pid")


def folder(host: Host, port: int) -> Path:
    main = host.get("redis_fs_main", "/data/redis" if host.world.modern else "/data")
    return host.path(f"{main}/{name(host, port)}")


def stop(pid: Path) -> None:
    end(pid, signal.SIGTERM)


def _only_redis(host: Host) -> Done:
    if host.get("redis_cluster") is None:
        raise Ended
    return SKIPPED


def _check(host: Host) -> Done:
    fine = host.get("redis_node") is not None and isinstance(host.get("redis_instances"), dict)
    if not fine or (host.world.modern and host.get("redis_fs_main") in ("/data", "/data/")):
        raise Failed("variable `redis_cluster|redis_instances` are required", evaluated_to=False)
    return Done("ok", "All assertions passed")


def _folders(host: Host) -> Done:
    for path in ("/etc/redis", "/var/log/redis", "/run/redis"):
        host.path(path).mkdir(parents=True, exist_ok=True)
    return CHANGED


def _has(host: Host, port: int) -> bool:
    return port in {int(p) for p in host.get("redis_instances", {})}


def _config(host: Host, port: int) -> Done:
    if not _has(host, port):
        return SKIPPED
    data = folder(host, port)
    if not host.world.modern and host.get("redis_clean", True) and data.exists():
        if host.get("redis_safeguard", False):
            raise Failed("Abort due to redis_safeguard enabled")
        stop(pid_file(host, port))
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    for path in ("/etc/redis", "/var/log/redis", "/run/redis"):
        host.path(path).mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in _lines(host, port))
    return CHANGED if host.write(f"/etc/redis/{name(host, port)}.conf", text, 0o600) else OK


def _unit(host: Host, port: int) -> Done:
    if not _has(host, port):
        return SKIPPED
    path = f"/etc/systemd/system/{name(host, port)}.service"
    return CHANGED if host.write(path, f"[Service]\n# {name(host, port)}\n") else OK


def _lines(host: Host, port: int) -> list[str]:
    lines = [f"bind {host.name}", "protected-mode no", f"port {port}", "databases 16",
             f"pidfile {pid_file(host, port)}", f"dir {folder(host, port)}",
             f"logfile {host.path('/var/log/redis')}/{name(host, port)}.log",
             f"dbfilename {name(host, port)}.rdb", "maxclients 6000",
             *(f"save {rule}" for rule in host.get("redis_rdb_save", ["1200 1"])),
             f"appendonly {'yes' if host.get('redis_aof_enabled', False) else 'no'}",
             f"maxmemory {host.get('redis_max_memory', '1GB')}",
             f"maxmemory-policy {host.get('redis_mem_policy', 'allkeys-lru')}"]  # fmt: skip
    if password := host.get("redis_password", ""):
        lines += [f"requirepass {password}", f"masterauth {password}"]
    instances = {int(p): settings or {} for p, settings in host.get("redis_instances", {}).items()}
    if upstream := instances[port].get("replica_of"):
        lines.append(f"replicaof {upstream}")
    return lines


def _launch(host: Host, port: int) -> Done:
    """Restarted whatever it is: with a bad setting the running one is gone."""
    if not _has(host, port):
        return SKIPPED
    pid = pid_file(host, port)
    stop(pid)
    conf = host.path(f"/etc/redis/{name(host, port)}.conf")
    done = run(("redis-server", conf, "--daemonize", "yes"))
    host.note(f"started redis {port}")
    if done.returncode != 0 or not answers(host.name, port, 5):
        unit = f"{name(host, port)}.service"
        raise Failed(
            "non-zero return code",
            changed=True,
            rc=1,
            stderr=f"Job for {unit} failed because the control process exited with error code.",
        )
    return CHANGED
