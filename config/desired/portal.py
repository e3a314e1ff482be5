"""The portal's nginx file for the domain."""

from pathlib import Path

from config.desired.locations import Location, location
from config.desired.services import active, published, routes
from config.desired.templates import render
from config.environment import Environment
from config.release import Release, Route


def server_block(environment: Environment, release: Release, certificate: Path, key: Path) -> str:
    """Domain → the stack's nginx (route "stack") or → each service directly (route "services")."""
    return render(
        "portal.conf.j2",
        environment=environment,
        certificate=certificate,
        key=key,
        locations=_locations(environment, release),
    )


def _locations(environment: Environment, release: Release) -> list[Location]:
    dify = environment.dify
    if environment.portal.route == "stack":
        everything = Route(path="/", service="nginx", websocket=True)
        return [location(everything, f"{dify.bind}:{dify.port}", "$scheme")]
    running = active(environment, release)
    return [
        location(route, f"{dify.bind}:{published(environment, running[route.service])}", "$scheme")
        for route in routes(environment, release)
    ]
