"""Whether the proxy that code of users goes out through lets private addresses pass.

PostgreSQL's is asked for, from the API's container: it must not be reached that way.
"""

from config.rules.finding import Reading, bad, good
from tasks.core.site import Site
from tasks.probes.subjects.curl import SILENT, Request

REFUSED = "403"


def request(site: Site) -> Request:
    """What asks it, from any container."""
    postgres = site.environment.postgres
    return Request(("-x", "http://ssrf_proxy:3128", f"http://{postgres.host}:{postgres.port}/"))


def reading(probe: str, site: Site, code: str) -> Reading:
    """`code`: the status that curl got."""
    project = site.environment.dify.project
    if code == REFUSED:
        return good(probe, "refuses private addresses")
    if code == SILENT:
        logs = f"docker compose -p {project} logs ssrf_proxy"
        return bad(probe, "does not answer inside the stack's network", logs)
    said = f"let a private address through (status {code})"
    return bad(probe, said, "look at squid.conf of the stack, and deploy")
