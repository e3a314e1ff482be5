"""The portal's nginx file for the domain."""

from pathlib import Path
from urllib.parse import urlsplit

from config.desired.services import active, published, routes
from config.desired.templates import render
from config.environment import Environment
from config.release import Release


def server_block(environment: Environment, release: Release, certificate: Path, key: Path) -> str:
    """Domain → the stack's nginx (route "stack") or → each service directly (route "services")."""
    return render(
        "portal.conf.j2",
        environment=environment,
        public_port=urlsplit(environment.public_url).port,
        certificate=certificate,
        key=key,
        routes=_routes(environment, release),
    )


def _routes(environment: Environment, release: Release) -> list[dict[str, object]]:
    dify = environment.dify
    if environment.portal.route == "stack":
        upstream = f"{dify.bind}:{dify.port}"
        return [{"path": "/", "upstream": upstream, "websocket": True, "headers": {}}]
    running = active(environment, release)
    return [
        {
            "path": route.path,
            "upstream": f"{dify.bind}:{published(environment, running[route.service])}",
            "websocket": route.websocket,
            "headers": route.headers,
        }
        for route in routes(environment, release)
    ]
