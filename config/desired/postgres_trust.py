"""A PostgreSQL whose certificate a private authority signed: what makes containers trust it."""

from collections.abc import Mapping
from typing import Any

from config.desired.mounts import bound
from config.environment import Environment
from config.release import Service

NAME = "postgres-ca.crt"
# Not beside the object store's: the plugin daemon trusts all of that folder.
PLACE = "/etc/dify-rollout/postgres/ca.crt"
# libpq reads the variable, and so does pgx, which the plugin daemon asks by.
VARIABLE = "PGSSLROOTCERT"
IMAGES = ("api", "plugin_daemon")


def of_service(
    service: Service, environment: Environment, files: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Variables and mounts of a container that reaches PostgreSQL; none for the others."""
    if NAME not in files or service.image not in IMAGES:
        return {}, []
    mount = bound(environment.dify.home / NAME, PLACE, read_only=True)
    return {VARIABLE: PLACE}, [mount]
