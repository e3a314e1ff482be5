"""What stands in the way of a rollout, found before anything is changed. Only reads."""

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial

from config.environment import Environment
from config.errors import StepError
from config.rules.addresses import overlap
from config.rules.engine import unfit
from config.rules.finding import Finding, Reading, bad, good
from tasks.core.engine import is_another
from tasks.core.ownership import belongs
from tasks.core.ports import ports, taken
from tasks.core.project_owner import other_folder, way_on, why
from tasks.core.site import Site
from tasks.images.disk_space import room
from tasks.probes.engine import Answer, Probe, ask_all
from tasks.probes.preflight.container_proxies import NAME as CONTAINER_PROXIES
from tasks.probes.preflight.container_proxies import container_proxies
from tasks.probes.preflight.machine import places, readings
from tasks.probes.preflight.selinux import NAME as SELINUX
from tasks.probes.preflight.selinux import selinux
from tasks.steps import revisions
from tasks.steps.docker import BY_HAND
from tasks.steps.firewall import openness
from tasks.tools import machine
from tasks.tools.machine import Machine

RESOLVE_WITHIN_S = 0.15
NODE_S = 60
IMAGES_S = 300
PLATFORM_S = 600
REACH = "is it up, and does ssh let us in?"


def preflight(site: Site, *more: Probe) -> list[Finding]:
    """Every finding at once, the good ones and mere facts included."""
    return ask_all([*probes(site), *more], patience=site.within(1))


def probes(site: Site) -> list[Probe]:
    """What a rollout needs of each node, of the platform, and of the domain."""
    nodes, platform = site.on_each(), partial(site.platform.preflight, site)
    each_node = [
        probe
        for node in nodes
        for probe in _on_node(node, node.node.name if len(nodes) > 1 else "")
    ]
    return [
        *each_node,
        Probe("platform", platform, within_s=PLATFORM_S, advice="look at its machines"),
        Probe("portal.domain", partial(_domain, site.environment), advice="ask its DNS"),
    ]


def schema(site: Site) -> Probe:
    """Whether the release can serve the database; where its password is known."""
    return Probe(
        "schema",
        partial(revisions.reading, site),
        within_s=revisions.HISTORY_WITHIN_S + NODE_S,
        advice="deploy again",
    )


def require(findings: Iterable[Finding]) -> None:
    """Nothing stands in the way.

    Raises:
        StepError: everything that does, one line each. It passes if all of that does.
    """
    failed = [finding for finding in findings if finding.at_fault]
    if not failed:
        return
    count = "" if len(failed) == 1 else f"{len(failed)} things stand in the way\n  "
    passes = all(finding.passes for finding in failed)
    raise StepError("preflight", count + "\n  ".join(map(str, failed)), passes=passes)


def _on_node(site: Site, where: str) -> list[Probe]:
    """What a node that runs Dify must bring."""
    survey = cache(partial(_survey, site))

    def images() -> Sequence[Reading]:
        return room(site, survey().places[-1].free, survey().architecture)

    def surveyed() -> Sequence[Reading]:
        return list(readings(site.environment, site.release, survey(), ports(site), taken(site)))

    def probe(name: str, ask: Callable[[], Answer]) -> Probe:
        return Probe(name, ask, within_s=NODE_S, advice=REACH, where=where)

    return [
        Probe("machine", surveyed, within_s=NODE_S, advice=REACH, where=where),
        probe("docker", partial(_docker, site)),
        probe(CONTAINER_PROXIES, partial(container_proxies, site)),
        probe(SELINUX, partial(selinux, site)),
        probe("dify.project", partial(_project, site)),
        probe("dify.subnet", partial(_subnet, site)),
        Probe(
            "images",
            images,
            ("machine",),
            within_s=IMAGES_S,
            advice="look at images.source",
            where=where,
        ),
        probe("nodes.dify", partial(belongs, site)),
        probe("firewall", partial(openness, site)),
        probe("platform on the node", partial(site.platform.preflight_on, site)),
    ]


def _survey(site: Site) -> Machine:
    return machine.parse(site.node.run(machine.survey(places(site.environment))))


def _docker(site: Site) -> Reading:
    reason = site.docker.trouble()
    if reason is None:
        folders = (site.environment.dify.home, site.environment.dify.data)
        found = unfit(site.docker.product(), site.docker.info(), folders)
        return bad("docker", *found) if found else good("docker", "answers")
    node = site.node
    if is_another(node):
        advice = "start the engine that DOCKER_HOST or docker's context names, or choose another"
        return bad("docker", reason, advice=advice)
    here, installable = node.which("dockerd") is not None, node.which("apt-get") is not None
    if node.is_root() and (here or installable):
        return good("docker", "will be installed or started")
    if not here and not installable:
        return bad("docker", reason, advice=BY_HAND)
    return bad(
        "docker",
        reason,
        advice="start it and join its group (usermod -aG docker), or run as root",
    )


def _project(site: Site) -> Reading:
    """Whose containers have the stack's name; without an engine nobody's."""
    project = site.environment.dify.project
    found = [] if site.docker.trouble() else site.docker.containers(project)
    if folder := other_folder(site, found):
        return bad("dify.project", why(site, folder), advice=way_on(site))
    return good("dify.project", f"{project} is ours or nobody's")


def _subnet(site: Site) -> Reading:
    """Whether the stack's addresses are free; without an engine they are."""
    dify = site.environment.dify
    known = [] if site.docker.trouble() else site.docker.subnets()
    for found in known:
        if found.project != dify.project and overlap(found.addresses, dify.subnet):
            return bad(
                "dify.subnet",
                f"{dify.subnet} overlaps {found.addresses} of the Docker network {found.network}",
                advice="set another dify.subnet, or remove that network",
            )
    return good("dify.subnet", f"{dify.subnet} is free or ours")


def _domain(environment: Environment) -> Reading:
    """Where the name leads; never an obstacle, DNS may come later."""
    domain = environment.portal.domain
    found: list[str] = []
    asking = threading.Thread(target=_resolve, args=(domain, found), daemon=True)
    asking.start()
    asking.join(RESOLVE_WITHIN_S)
    where = f"resolves to {found[0]}" if found else "does not resolve on this machine"
    return good("portal.domain", f"{domain} {where}")


def _resolve(domain: str, found: list[str]) -> None:
    try:
        found.append(socket.gethostbyname(domain))
    except OSError:
        return
