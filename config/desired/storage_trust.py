"""An object store behind an authority of its own: what makes containers trust it and find it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from config.desired.mounts import bound
from config.environment import Environment
from config.pigsty import is_public
from config.release import Service

NAME = "storage-ca.crt"
_FOLDER = "/etc/dify-rollout"
PLACE = f"{_FOLDER}/{NAME}"
# boto3 trusts this file for S3 alone; Go reads the folder beside the image's own one, since a
# plugin that talks to AWS inherits the variables.
_VARIABLES = {
    "api": {"AWS_CA_BUNDLE": PLACE},
    "plugin_daemon": {"SSL_CERT_DIR": f"/etc/ssl/certs:{_FOLDER}"},
}
IMAGES = tuple(_VARIABLES)


def is_private(environment: Environment) -> bool:
    """Whether no public authority can have signed for the store's name."""
    found = urlsplit(environment.storage.endpoint)
    host = found.hostname or ""
    return (
        environment.storage.kind == "s3"
        and found.scheme == "https"
        and (host[-1:].isdigit() or not is_public(host))
    )


def addresses(environment: Environment) -> dict[str, str]:
    """Name → address, of the store's names that containers cannot ask DNS for."""
    storage = environment.storage
    host = urlsplit(storage.endpoint).hostname or ""
    address = storage.address or (environment.pigsty.admin_ip if host.endswith(".pigsty") else "")
    if storage.kind != "s3" or not address or host[-1:].isdigit():
        return {}
    buckets = () if storage.path_style else (storage.bucket, storage.plugin_bucket)
    return dict.fromkeys([host, *(f"{bucket}.{host}" for bucket in buckets)], address)


def of_service(
    service: Service, environment: Environment, files: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """Variables, mounts and hosts of a container that reaches the store; none for the others."""
    if service.image not in _VARIABLES:
        return {}, [], []
    hosts = [f"{name}:{address}" for name, address in addresses(environment).items()]
    if NAME not in files:
        return {}, [], hosts
    mount = bound(environment.dify.home / NAME, PLACE, read_only=True)
    return _VARIABLES[service.image], [mount], hosts
