"""The stack's containers, seen from outside and asked from inside."""

import ipaddress
from functools import partial

from clients.docker import Container
from config.desired.services import active
from tasks.core.site import Site
from tasks.probes.verify.probe import Probe, Wrong

CONTAINERS = "containers run and are healthy"


def probes(site: Site, *, deep: bool) -> list[Probe]:
    """That everything runs; `deep` also tries what the stack must not reach."""
    running = active(site.environment, site.release)
    logs = f"look at its log: docker compose -p {site.environment.dify.project} logs"
    found = [Probe(CONTAINERS, partial(healthy, site), within_s=15, advice=logs)]
    if beats(site):
        found.append(Probe("exactly one beat", partial(one_beat, site), within_s=15))
    if deep and "ssrf_proxy" in running:
        ask = partial(blocks_private, site)
        found.append(Probe("SSRF proxy blocks private addresses", ask, (CONTAINERS,), 20))
    if deep and "sandbox" in running:
        reach = partial(reaches_nothing, site)
        found.append(Probe("code of workflows reaches no machine", reach, (CONTAINERS,), 20))
    return found


def healthy(site: Site) -> str:
    """Of every node what should run there."""
    nodes, total = site.on_each(), 0
    wrong: list[str] = []
    for each in nodes:
        containers = _containers(each)
        total += len(containers)
        present = {container.service for container in containers}
        wanted = active(each.environment, each.release)
        found = [f"{name} is missing" for name in wanted if name not in present]
        found += [f"{c.service} is {c.health or c.state}" for c in containers if not c.ready]
        wrong += [f"{text} on {each.node.name}" if len(nodes) > 1 else text for text in found]
    if wrong:
        raise Wrong(", ".join(wrong))
    return f"{total} containers" + (f" on {len(nodes)} nodes" if len(nodes) > 1 else "")


def one_beat(site: Site) -> str:
    """Two of them would run everything scheduled twice: Celery's beat has no lock."""
    project, (beat, *_) = site.environment.dify.project, beats(site)
    labels = [f"com.docker.compose.project={project}", f"com.docker.compose.service={beat}"]
    found = [
        str(container["Names"][0]).lstrip("/")
        for each in site.on_each()
        for container in each.docker.client.api.containers(filters={"label": labels})
    ]
    if len(found) != 1:
        raise Wrong(
            f"{len(found)} beat containers: {', '.join(found) or 'none'}",
            "more than one runs every schedule twice: remove all but one"
            if found
            else f"run: rollout deploy {site.name}",
        )
    return found[0]


def beats(site: Site) -> list[str]:
    """Names of the services that run Celery's beat; old releases have none."""
    running = active(site.environment, site.release).items()
    return [name for name, service in running if service.environment.get("MODE") == "beat"]


def blocks_private(site: Site) -> str:
    """Code of users goes out through the proxy; it must not reach the database that way."""
    postgres = site.environment.postgres
    target = f"http://{postgres.host}:{postgres.port}/"
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "10"]
    words += ["-x", "http://ssrf_proxy:3128", target]
    said = _inside(site, "api", words).strip()
    if said != "403":
        why = "the proxy does not answer" if said == "000" else f"status {said}, expected 403"
        raise Wrong(f"{target} through the proxy: {why}", "look at squid.conf of the stack")
    return f"{postgres.host}:{postgres.port} is refused"


def reaches_nothing(site: Site) -> str:
    """From the code sandbox: the state, and this machine by each of its networks."""
    postgres, redis = site.environment.postgres, site.environment.redis
    gateway = ipaddress.ip_network(site.environment.dify.subnet)[1]
    ports = (22, site.environment.portal.https_port, site.environment.portal.http_port)
    targets = [f"{postgres.host}:{postgres.port}", f"{redis.host}:{redis.port}"]
    targets += [f"{gateway}:{port}" for port in ports]
    words = ["curl", "-s", "-Z", "-m", "3", "--noproxy", "*"]
    words += ["-w", "%{url_effective} %{time_connect}\n"]
    words += [word for target in targets for word in ("-o", "/dev/null", f"http://{target}/")]
    said = (line.split() for line in _inside(site, "sandbox", words).splitlines())
    reached = {url.removeprefix("http://").strip("/") for url, took in said if float(took) > 0}
    open_ = [target for target in targets if target in reached]
    if open_:
        raise Wrong(
            f"the code sandbox reaches {', '.join(open_)}",
            f"remake its network: rollout deploy {site.name}",
        )
    return f"{len(targets)} addresses do not answer"


def _containers(site: Site) -> list[Container]:
    found = site.docker.containers(site.environment.dify.project)
    return [container for container in found if not container.one_off]


def _inside(site: Site, service: str, words: list[str]) -> str:
    """What the words, run in a container of the service, print. They bring their own timeout."""
    containers = [c for c in _containers(site) if c.service == service and c.ready]
    if not containers:
        raise Wrong(f"no container of {service} to ask from")
    return site.docker.inside(containers[0].id, words)
