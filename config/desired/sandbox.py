"""Configuration of the sandbox's own PostgreSQL, Redis and nginx."""

from pathlib import Path

from config.desired.templates import render
from config.environment import Environment
from config.rules.restore_point import DRILL, INCOMING


def postgresql_conf(environment: Environment, socket: Path) -> dict[str, str]:
    """Setting → value, unquoted. The rest is PostgreSQL's default."""
    postgres = environment.postgres
    return {
        "listen_addresses": ",".join(addresses(postgres.host)),
        "port": str(postgres.port),
        "unix_socket_directories": str(socket),
        "unix_socket_permissions": "0700",
        "max_connections": str(postgres.max_connections),
        "password_encryption": "scram-sha-256",
        "shared_buffers": "128MB",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "log_min_duration_statement": "-1",
        "log_statement": "none",
        "log_connections": "off",
    }


def pg_hba_conf(environment: Environment, owner: str) -> str:
    """Who may log in: the server's own OS user by socket, Dify and Prefect by password."""
    postgres = environment.postgres
    # From this machine to the bridge a connection may carry any address of the machine.
    rules = [("local", "all", owner, "", "trust")]
    stack, drill = environment.dify.subnet, environment.drill.subnet
    reach = {"": ("samehost", stack), INCOMING: ("samehost",), DRILL: ("samehost", drill)}
    for suffix, networks in reach.items():
        for database in (postgres.database, postgres.plugin_database):
            for network in networks:
                name = database + suffix
                rules.append(("host", name, postgres.user, network, "scram-sha-256"))
    rules.append(("host", "prefect", "prefect", "127.0.0.1/32", "scram-sha-256"))
    lines = ["  ".join(word for word in rule if word) for rule in rules]
    head = [
        "# Written by dify-rollout. First match wins; what matches nothing is refused.",
        "# The socket lies in a directory only the server's own user can enter.",
    ]
    return "\n".join([*head, *lines]) + "\n"


def redis_conf(environment: Environment, password: str, home: Path) -> str:
    """Redis as Celery needs it: nothing evicted, everything on disk, a password."""
    redis = environment.redis
    settings = {
        "bind": " ".join(addresses(redis.host)),
        "port": redis.port,
        "requirepass": _quoted(password),
        "maxmemory": redis.max_memory_mb * 1024 * 1024,
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '"3600 1 300 100"',
        "dir": _quoted(str(home)),
        "pidfile": _quoted(str(home / "redis.pid")),
        "logfile": _quoted(str(home / "redis.log")),
        "daemonize": "yes",
        "protected-mode": "yes",
    }
    return "".join(f"{key} {value}\n" for key, value in settings.items())


def nginx_conf(environment: Environment, home: Path) -> str:
    """The main file of the sandbox's portal; sites lie in `conf.d`."""
    return render("sandbox_nginx.conf.j2", environment=environment, home=home / "nginx")


def addresses(host: str) -> list[str]:
    """Where a server of the sandbox listens: loopback, and the bridge containers come from."""
    return ["127.0.0.1"] if host in ("127.0.0.1", "localhost") else ["127.0.0.1", host]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
