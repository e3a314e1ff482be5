"""The stack's containers, seen from outside and asked from inside."""

from functools import partial

from config.desired.services import active
from config.desired.subnets import subnets
from config.rules.finding import Reading
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong
from tasks.probes.subjects import ssrf_proxy
from tasks.probes.subjects.containers import (
    Unwell,
    beats,
    on_every_node,
    running_beats,
    unwell,
)
from tasks.probes.subjects.curl import answers, inside

CONTAINERS = "containers run and are healthy"
PRIVATE = "SSRF proxy blocks private addresses"


def probes(site: Site, *, deep: bool) -> list[Probe]:
    """That everything runs; `deep` also tries what the stack must not reach."""
    services = active(site.environment, site.release)
    logs = f"look at its log: docker compose -p {site.environment.dify.project} logs"
    found = [Probe(CONTAINERS, partial(healthy, site), within_s=15, advice=logs)]
    if beats(site):
        beat = partial(one_beat, site)
        found.append(Probe("exactly one beat", beat, within_s=15, advice=logs))
    if deep and "ssrf_proxy" in services:
        ask = partial(blocks_private, site)
        found.append(Probe(PRIVATE, ask, (CONTAINERS,), 20, logs))
    if deep and "sandbox" in services:
        reach = partial(reaches_nothing, site)
        found.append(Probe("code of workflows reaches no machine", reach, (CONTAINERS,), 20, logs))
    return found


def healthy(site: Site) -> str:
    """Of every node what should run there."""
    found, nodes = on_every_node(site), site.on_each()
    if wrong := [_said(each, several=len(nodes) > 1) for each in unwell(site, found)]:
        raise Wrong(", ".join(wrong))
    return f"{len(found)} containers" + (f" on {len(nodes)} nodes" if len(nodes) > 1 else "")


def _said(found: Unwell, *, several: bool) -> str:
    one = found.container
    state = (one.health or one.state) if one else "missing"
    where = f" on {found.node.node.name}" if several else ""
    return f"{found.service} is {state}{where}"


def one_beat(site: Site) -> str:
    """The name of the only container that runs Celery's beat."""
    found = [one.name for _, one in running_beats(site)]
    if len(found) != 1:
        raise Wrong(
            f"{len(found)} beat containers: {', '.join(found) or 'none'}",
            "more than one runs every schedule twice: remove all but one"
            if found
            else f"run: rollout deploy {site.name}",
        )
    return found[0]


def blocks_private(site: Site) -> Reading:
    """Code of users goes out through the proxy; it must not reach the database that way."""
    (code,) = answers(site, "api", [ssrf_proxy.request(site)], within_s=10)
    return ssrf_proxy.reading(PRIVATE, site, code)


def reaches_nothing(site: Site) -> str:
    """From the code sandbox: the state, and this machine by each of its networks."""
    postgres, redis = site.environment.postgres, site.environment.redis
    ranges, own = subnets(site.environment), site.release.services["sandbox"].networks
    gateways = [ranges[name][1] for name in ("default", *own)]
    ports = (22, site.environment.portal.https_port, site.environment.portal.http_port)
    targets = [f"{postgres.host}:{postgres.port}", f"{redis.host}:{redis.port}"]
    targets += [f"{gateway}:{port}" for gateway in gateways for port in ports]
    words = ["curl", "-s", "-Z", "-m", "3", "--noproxy", "*"]
    words += ["-w", "%{url_effective} %{time_connect}\n"]
    words += [word for target in targets for word in ("-o", "/dev/null", f"http://{target}/")]
    said = [line.split() for line in inside(site, "sandbox", words, lines=len(targets))]
    reached = {url.removeprefix("http://").strip("/") for url, took in said if float(took) > 0}
    open_ = [target for target in targets if target in reached]
    if open_:
        raise Wrong(
            f"the code sandbox reaches {', '.join(open_)}",
            f"remake its network: rollout deploy {site.name}",
        )
    return f"{len(targets)} addresses do not answer"
