"""Which path of the domain goes where, and what the answering service is told of the client."""

from dataclasses import dataclass

from config.release import Route


@dataclass(frozen=True, slots=True)
class Location:
    """One `location` of nginx; values of headers are nginx expressions."""

    path: str
    upstream: str
    headers: dict[str, str]


def location(route: Route, upstream: str, scheme: str) -> Location:
    """`scheme`: nginx's expression for http or https as the client sees it."""
    headers = {
        "Host": "$http_host",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": scheme,
        "Upgrade": "$http_upgrade" if route.websocket else "",
        "Connection": "$connection_upgrade" if route.websocket else "",
    }
    own = {name: value.replace("$scheme", scheme) for name, value in route.headers.items()}
    return Location(route.path, upstream, headers | own)
