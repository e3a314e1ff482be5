"""Containers of other Difys as an engine tells them: Pigsty's app, the official compose file."""

from typing import Any

from clients.docker_stacks import Member


def seen(service: str, image: str, **more: Any) -> dict[str, Any]:
    """What an engine says of a container of a compose project."""
    return {
        "Id": f"id-{service}",
        "Name": f"/dify_{service}_1",
        "Image": f"sha256:{service}",
        "State": {"Status": more.get("state", "running")},
        "Config": {
            "Image": image,
            "Env": [f"{key}={value}" for key, value in more.get("settings", {}).items()],
            "Labels": {
                "com.docker.compose.project": "dify",
                "com.docker.compose.project.working_dir": "/opt/dify",
                "com.docker.compose.service": service,
            },
        },
        "Mounts": [
            {"Destination": inside, "Source": place}
            for inside, place in more.get("mounts", {}).items()
        ],
        "NetworkSettings": {"Networks": {"default": {"IPAddress": more.get("address", "")}}},
        "HostConfig": {
            "RestartPolicy": {"Name": more.get("restart", "always")},
            "PortBindings": {
                "80/tcp": [{"HostIp": "", "HostPort": str(port)} for port in more.get("ports", ())]
            },
        },
    }


def member(service: str, image: str, **more: Any) -> Member:
    return Member.of(seen(service, image, **more))


PIGSTY = {
    "DB_HOST": "10.10.10.10",
    "DB_PORT": "5432",
    "DB_USERNAME": "dify",
    "DB_PASSWORD": "difyai123456",
    "DB_DATABASE": "dify",
    "SECRET_KEY": "sk-somerandomkey",
    "REDIS_HOST": "redis",
    "REDIS_PASSWORD": "difyai123456",
    "CELERY_BROKER_URL": "redis://:difyai123456@redis:6379/1",
    "STORAGE_TYPE": "opendal",
    "VECTOR_STORE": "pgvector",
    "PGVECTOR_HOST": "10.10.10.10",
    "PGVECTOR_DATABASE": "dify",
}
OFFICIAL = {**PIGSTY, "DB_HOST": "db_postgres", "PGVECTOR_HOST": "pgvector", "DB_PORT": ""}
FILES = {"/app/api/storage": "/data/dify/app/storage"}
PLUGINS = {"/app/storage": "/data/dify/plugin_daemon"}


def pigsty_app(**settings: str) -> tuple[Member, ...]:
    """PostgreSQL of the machine, Redis in a container."""
    given = {**PIGSTY, **settings}
    return (
        member("api", "langgenius/dify-api:1.15.0", settings=given, mounts=FILES,
               address="172.18.0.5"),
        member("worker", "langgenius/dify-api:1.15.0", settings=given, mounts=FILES),
        member("nginx", "nginx:latest", ports=(5001,)),
        member("plugin_daemon", "langgenius/dify-plugin-daemon:0.6.3-local",
               settings={"DB_DATABASE": "dify_plugin"}, mounts=PLUGINS),
        member("redis", "redis:6-alpine", address="172.18.0.2"),
    )  # fmt: skip


def official() -> tuple[Member, ...]:
    """PostgreSQL and Redis in containers of its own."""
    api = member("api", "langgenius/dify-api:1.15.0", settings=OFFICIAL, mounts=FILES)
    database = member("db_postgres", "postgres:15-alpine", address="172.18.0.3")
    return (api, *pigsty_app()[1:], database)
