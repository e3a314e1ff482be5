"""What a new container answers to the request that the stack's nginx will send it first."""

from clients.docker_objects import Container
from clients.waiting import until
from config.desired.colours import Colour, own_name
from config.desired.services import routes
from tasks.core.site import Site

SILENT = "000"


def address(site: Site, name: str, colour: Colour) -> str:
    """Of that colour alone, with the first path that leads to the service."""
    host = own_name(name, colour)
    path = next(
        each.path for each in routes(site.environment, site.release) if each.service == name
    )
    return f"http://{host}:{site.release.services[name].port}{path}"


def answer(site: Site, nginx: Container, name: str, colour: Colour, *, within_s: float) -> str:
    """The status of its answer, asked until it is a good one; a connection proves nothing.

    gunicorn binds its port long before the application behind it is loaded.
    """
    words = ["curl", "-s", "-o", "/dev/null", "-m", "4", "-w", "%{http_code}"]
    words += [address(site, name, colour)]
    return until(
        lambda: site.docker.execute(nginx.id, words)[1][-3:], good, within_s=within_s, every_s=0.2
    )


def good(status: str) -> bool:
    """Whether the service itself answered; what it says of the request is its own."""
    return "100" <= status < "500"


def shown(status: str) -> str:
    return "nothing" if status == SILENT else status
