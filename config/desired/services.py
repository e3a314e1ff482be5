"""Which services of a release an environment runs."""

from config.environment import Environment
from config.release import Release, Route, Service

API = "api"


def active(environment: Environment, release: Release) -> dict[str, Service]:
    """The services to run: optional ones only if asked for, the stack's nginx only if routed to."""
    return {
        name: service
        for name, service in release.services.items()
        if (service.switch is None or service.switch in environment.dify.services)
        and service.only_with_route in (None, environment.portal.route)
    }


def images(environment: Environment, release: Release) -> dict[str, str]:
    """Role → reference of every image the active services need."""
    needed = {service.image for service in active(environment, release).values()}
    return {role: image for role, image in release.images.items() if role in needed}


def digests(environment: Environment, release: Release) -> dict[str, str]:
    """Reference → digest of those that are pinned."""
    wanted = images(environment, release)
    return {wanted[role]: pin for role, pin in release.digests.items() if role in wanted}


def routes(environment: Environment, release: Release) -> list[Route]:
    """Routes whose service runs, most specific first."""
    running = active(environment, release)
    found = [route for route in release.routes if route.service in running]
    return sorted(found, key=lambda route: -len(route.path))


def published(environment: Environment, service: Service) -> int | None:
    """The port of the machine the service is reached on, None if only the stack reaches it."""
    direct = environment.portal.route == "services"
    if service.publish is None or (service.publish != "port" and not direct):
        return None
    dify = environment.dify
    return dify.port if service.publish == "port" else dify.direct_port(service.publish)


def processes(environment: Environment, service: Service) -> int:
    """How many processes of Dify share the container, each with its own memory and connections."""
    return int(getattr(environment.dify, service.processes)) if service.processes else 1


def inner_api(environment: Environment) -> str:
    """Where the stack's containers reach the API: its nginx, where one runs, knows which serves."""
    host = "nginx" if environment.portal.route == "stack" else API
    return f"http://{host}:5001"
