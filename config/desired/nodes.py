"""What one of several nodes runs: the same stack at an address of its own."""

from config.environment import Environment
from config.release import Release


def on_node(environment: Environment, release: Release, index: int) -> tuple[Environment, Release]:
    """Both as the node of that index in `nodes.dify` has them.

    The stack's ports are published on the node's own address, and only the first node runs
    what must not run twice.
    """
    if environment.nodes.addresses:
        dify = environment.dify.model_copy(update={"bind": environment.nodes.addresses[index]})
        environment = environment.model_copy(update={"dify": dify})
    if index > 0:
        services = {name: s for name, s in release.services.items() if not s.single}
        release = release.model_copy(update={"services": services})
    return environment, release


def upstreams(environment: Environment, port: int) -> list[str]:
    """Where the portal finds that port of the stack, on every node."""
    addresses = environment.nodes.addresses or [environment.dify.bind]
    return [f"{address}:{port}" for address in addresses]
