"""The portal's nginx file for the domain."""

from pathlib import Path

from config.desired.locations import Location, location
from config.desired.maintenance import include
from config.desired.nodes import upstreams
from config.desired.services import active, published, routes
from config.desired.templates import render
from config.environment import Environment
from config.release import Release, Route

MARK = "# dify-rollout: headers and ciphers"


def server_block(environment: Environment, release: Release, certificate: Path, key: Path) -> str:
    """Domain → the stack's nginx (route "stack") or → a port of each service (route "services")."""
    return render(
        "portal.conf.j2",
        environment=environment,
        certificate=certificate,
        key=key,
        locations=_locations(environment, release),
        pools=_pools(environment, release),
        maintenance=include(environment),
    )


def portal_file(environment: Environment, release: Release, certificate: Path, key: Path) -> str:
    """The block as a file that stands alone in an nginx which defines nothing for it.

    The variable has the project's name in it: two such files may lie side by side.
    """
    variable = f"$connection_upgrade_{environment.dify.project.replace('-', '_')}"
    head = f"map $http_upgrade {variable} {{\n    default upgrade;\n    '' '';\n}}\n"
    block = server_block(environment, release, certificate, key)
    return head + block.replace("$connection_upgrade", variable)


def entry_config(environment: Environment) -> str:
    """Directives for the server that Pigsty renders from an entry of infra_portal.

    They start with `MARK`: others are an operator's own.
    """
    return render(
        "portal_entry.conf.j2",
        mark=MARK,
        tls=environment.portal.tls,
        maintenance=include(environment),
    ).strip()


def _locations(environment: Environment, release: Release) -> list[Location]:
    if environment.portal.route == "stack":
        everything = Route(path="/", service="nginx", websocket=True)
        return [location(everything, _upstream(environment, environment.dify.port), "$scheme")]
    running = active(environment, release)
    found: list[Location] = []
    for route in routes(environment, release):
        port = published(environment, running[route.service])
        if port:
            found.append(location(route, _upstream(environment, port), "$scheme"))
    return found


def _upstream(environment: Environment, port: int) -> str:
    """The one node's address, or the name of the pool of all."""
    servers = upstreams(environment, port)
    return servers[0] if len(servers) == 1 else f"{environment.dify.project}_{port}"


def _pools(environment: Environment, release: Release) -> dict[str, list[str]]:
    """Name → servers of every port that several nodes answer on."""
    if len(environment.nodes.dify) == 1:
        return {}
    services = active(environment, release).values()
    ports = sorted({port for s in services if (port := published(environment, s))})
    return {_upstream(environment, port): upstreams(environment, port) for port in ports}
