"""Ports that a neighbour holds are refused, and who holds them is named: a hundred random ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from clients.node import LocalNode
from clients.processes import Listener, Process
from config.environment import Environment
from config.load import load_environment, load_release
from config.rules.finding import Status
from tasks.core.ports import ports, taken
from tasks.core.site import Site
from tasks.probes.preflight.machine import readings
from tasks.tools.machine import Machine, Place
from tests.unit.tasks.core.test_neighbours import NEIGHBOURS

SUBNET, OUTSIDE, INSIDE = "172.29.1.0/24", "172.29.2.9", "172.29.1.7"
NOBODY = 2**30  # no process has that number
PLACE = Place(Path("/opt"), writable=True, filesystem="/", free=10**12)
ROOMY = Machine("x86_64", "Debian 12", "6.1.0", 2, 0, 2**40, 0, (PLACE, PLACE, PLACE))


@dataclass
class Seen(LocalNode):
    """A machine on which these sockets are open."""

    sockets: list[tuple[Listener, Process | None]] = field(default_factory=list)
    name: str = "local"
    patience: float = 1.0

    def listeners(self, ports: Iterable[int]) -> list[tuple[Listener, Process | None]]:
        wanted = set(ports)
        return [each for each in self.sockets if each[0].port in wanted]

    def processes(self) -> list[Process]:
        return [holder for _, holder in self.sockets if holder]


def environment() -> Environment:
    tree = load_environment("sandbox").model_dump()
    tree["dify"]["subnet"] = SUBNET
    return Environment.model_validate(tree)


OWN = environment()
KEYS = ports(Site(OWN, load_release(OWN.dify.release), {}))


def forwarder(port: int, address: str) -> Process:
    title = f"/usr/bin/docker-proxy -proto tcp -host-port {port} -container-ip {address}"
    return Process(NOBODY, 1, "docker-proxy", title, 0.0)


# Port → who holds it: a container's address, another program's name, or nobody that may be seen.
holders = st.one_of(
    st.sampled_from([OUTSIDE, INSIDE]),
    st.sampled_from(["nginx", "redis-server", "postgres", ""]),
)
sockets = st.dictionaries(st.sampled_from([*KEYS.values(), 6379, 80]), holders, max_size=6)


def held(port: int, holder: str) -> tuple[Listener, Process | None]:
    socket = Listener("0.0.0.0", port, str(port))  # noqa: S104
    if holder.startswith("172."):
        return socket, forwarder(port, holder)
    return socket, Process(NOBODY, 1, holder, f"/usr/sbin/{holder}", 0.0) if holder else None


@NEIGHBOURS
@given(sockets)
def test_a_port_of_a_neighbour_is_refused_and_one_of_the_stack_is_not(
    found: dict[int, str],
) -> None:
    node = Seen([held(port, holder) for port, holder in found.items()])
    site = Site(OWN, load_release(OWN.dify.release), {}, node)
    said = {
        each.probe: each
        for each in readings(OWN, site.release, ROOMY, KEYS, taken(site))
        if each.probe in KEYS
    }
    for key, port in KEYS.items():
        foreign = port in found and found[port] != INSIDE
        assert (said[key].status is Status.FAIL) == foreign, key
        if foreign:
            assert f"set another port in config/environments/{OWN.name}.toml" in said[key].advice
            assert ("rollout adopt" in said[key].advice) == (found[port] == OUTSIDE)
