"""The ports an environment opens on a node, and who holds them."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from clients.processes import Process
from config.environment.dify import Direct
from tasks.core.site import Site

_PROXY = re.compile(r"docker-proxy .*-host-port (\d+) .*-container-ip (\S+)")


@dataclass(frozen=True, slots=True)
class Taken:
    """A port somebody listens on. `key` is the setting that asks for it.

    `contained`: by a container, so that it may be a Dify's.
    """

    key: str
    port: int
    holder: str
    ours: bool
    contained: bool = False


def ports(site: Site) -> dict[str, int]:
    """Every port the rollout opens, by the setting that names it."""
    dify, portal = site.environment.dify, site.environment.portal
    if portal.route == "stack":
        return {"dify.port": dify.port} | site.platform.ports(site.environment)
    names: list[Direct] = ["web", "api", "plugin"]
    if "api_websocket" in dify.services:
        names.append("websocket")
    found = {f"dify.direct_ports.{name}": dify.direct_port(name) for name in names}
    return found | site.platform.ports(site.environment)


def taken(site: Site) -> list[Taken]:
    """The ports among them that are held, and whether by a part of this environment."""
    node, wanted = site.node, ports(site)
    sockets = node.listeners(wanted.values())
    if not sockets:
        return []
    holders = [holder for _, holder in sockets if holder]
    # Only root sees whose each socket is.
    proxies = _proxies(holders if len(holders) == len(sockets) else node.processes())
    found: dict[str, Taken] = {}
    for key, port in wanted.items():
        for holder in (holder for socket, holder in sockets if socket.port == port):
            held = _held(site, key, port, holder, proxies)
            # One foreign socket is enough to be in the way.
            if key not in found or not held.ours:
                found[key] = held
    return list(found.values())


def _held(
    site: Site,
    key: str,
    port: int,
    holder: Process | None,
    proxies: dict[int, tuple[Process, str]],
) -> Taken:
    if port in proxies:
        holder, address = proxies[port]
        network = ipaddress.ip_network(site.environment.dify.subnet)
        if ipaddress.ip_address(address) in network:
            return Taken(key, port, _name(holder), ours=True)
        name = f"a container at {address} ({_name(holder)})"
        return Taken(key, port, name, ours=False, contained=True)
    if holder is None:
        return Taken(key, port, "a process of another user", ours=False)
    ours = site.platform.runs(site.environment, holder)
    return Taken(key, port, _name(holder), ours=ours)


def _proxies(running: Iterable[Process]) -> dict[int, tuple[Process, str]]:
    """Docker's port forwarders, by host port, with the container's address.

    Their command line tells, which anybody may read; their sockets only root.
    """
    found: dict[int, tuple[Process, str]] = {}
    for candidate in running:
        if match := _PROXY.search(candidate.title):
            found[int(match[1])] = (candidate, match[2])
    return found


def _name(holder: Process) -> str:
    return f"{holder.name} (pid {holder.pid})"
