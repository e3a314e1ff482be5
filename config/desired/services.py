"""Which services of a release an environment runs."""

from config.environment import Environment
from config.environment.dify import DIRECT_PORTS
from config.release import Release, Route, Service

API = "api"
INNER_API = f"http://nginx:{DIRECT_PORTS['api']}"


def active(environment: Environment, release: Release) -> dict[str, Service]:
    """The services to run: optional ones only if asked for."""
    return {
        name: service
        for name, service in release.services.items()
        if service.switch is None or service.switch in environment.dify.services
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
    """The port of the machine that leads to the service, None if only the stack reaches it."""
    if service.publish is None or (service.publish == "port") != (
        environment.portal.route == "stack"
    ):
        return None
    dify = environment.dify
    return dify.port if service.publish == "port" else dify.direct_port(service.publish)


def direct(environment: Environment, release: Release) -> dict[str, int]:
    """Service → the port on which the stack's nginx leads to it alone.

    Each may overlap with what replaces it, and nginx knows which one serves. The API has its port
    on every route: the stack's own containers could meet one that still starts by its name.
    """
    return {
        name: DIRECT_PORTS[service.publish]
        for name, service in active(environment, release).items()
        if name == API or (service.overlap and published(environment, service))
        if service.publish and service.publish != "port"
    }


def forwarded(environment: Environment, release: Release, service: Service) -> dict[int, int]:
    """Port of the machine → port inside, of those that lead into the service's container."""
    if service.publish == "port" and environment.portal.route == "services":
        running, inside = active(environment, release), direct(environment, release)
        found = {name: published(environment, one) for name, one in running.items() if one.overlap}
        return {port: inside[name] for name, port in found.items() if port}
    port = published(environment, service)
    led = service.overlap and service.publish != "port"
    return {port: service.port} if port and service.port and not led else {}


def processes(environment: Environment, service: Service) -> int:
    """How many processes of Dify share the container, each with its own memory and connections."""
    return int(getattr(environment.dify, service.processes)) if service.processes else 1
