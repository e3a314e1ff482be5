"""Every connection an environment names, in the order a rollout meets them."""

from tasks.connections import keeping, known, machines, people, pulling, state
from tasks.connections.connection import Connection
from tasks.site import Site

KINDS = (
    machines.nodes,
    known.secrets,
    state.postgres,
    state.redis,
    pulling.proxy,
    pulling.registries,
    keeping.buckets,
    keeping.repository,
    keeping.recipients,
    people.targets,
)


def connections(site: Site) -> list[Connection]:
    return [connection for kind in KINDS for connection in kind(site)]
