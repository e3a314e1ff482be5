"""Every connection an environment names, in the order a rollout meets them."""

from tasks.core.site import Site
from tasks.probes.connections import (
    databases,
    machines,
    notifications,
    registries,
    secrets,
    storage,
)
from tasks.probes.connections.connection import Connection

KINDS = (
    machines.nodes,
    secrets.secrets,
    databases.postgres,
    databases.redis,
    registries.proxy,
    registries.registries,
    storage.buckets,
    storage.repository,
    storage.recipients,
    notifications.targets,
)


def connections(site: Site) -> list[Connection]:
    return [connection for kind in KINDS for connection in kind(site)]
