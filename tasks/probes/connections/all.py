"""Every connection an environment names, in the order a rollout meets them."""

from config.rules.finding import Finding
from tasks.core.site import Site
from tasks.probes.connections import (
    databases,
    machines,
    notifications,
    registries,
    secrets,
    storage,
)
from tasks.probes.engine import Probe, ask_all

KINDS = (
    machines.nodes,
    secrets.secrets,
    databases.postgres,
    databases.redis,
    registries.proxy,
    registries.registries,
    registries.moved_tags,
    storage.buckets,
    storage.repository,
    storage.recipients,
    notifications.targets,
)


def probes(site: Site) -> list[Probe]:
    return [probe for kind in KINDS for probe in kind(site)]


def connections(site: Site) -> list[Finding]:
    """How each connection stands, in order; how long it takes is up to the slowest."""
    return ask_all(probes(site), patience=site.within(1))
