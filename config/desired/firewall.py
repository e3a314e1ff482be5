"""What a service that runs other people's programs may reach of the machine it runs on."""

import hashlib
from urllib.parse import urlsplit

from config.desired.services import active
from config.desired.subnets import subnets
from config.desired.templates import render
from config.environment import Environment
from config.pigsty import sentinels
from config.release import Release

INPUT = "INPUT"
_ENDED = "-j REJECT --reject-with icmp-port-unreachable"


def addresses(environment: Environment, release: Release) -> dict[str, str]:
    """Each such service's own address, of the last ones of the stack's default network."""
    network = subnets(environment)["default"]
    names = [name for name, found in active(environment, release).items() if found.only_state]
    return {name: str(network[-2 - number]) for number, name in enumerate(sorted(names))}


def chain(environment: Environment) -> str:
    """One of each project; iptables takes 28 characters."""
    return f"DIFY-{hashlib.sha256(environment.dify.project.encode()).hexdigest()[:12]}"


def rules(environment: Environment) -> list[str]:
    """The chain as iptables lists it: the state and names are asked for, answers come back."""
    mine = f"-A {chain(environment)}"
    ports = ",".join(str(port) for port in sorted(_ports(environment)))
    return [
        f"{mine} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        f"{mine} -p tcp -m multiport --dports {ports} -j RETURN",
        f"{mine} -p tcp -m tcp --dport 53 -j RETURN",
        f"{mine} -p udp -m udp --dport 53 -j RETURN",
        f"{mine} {_ENDED}",
    ]


def jumps(environment: Environment, release: Release) -> list[str]:
    """What leads there, as iptables lists it."""
    found = addresses(environment, release).values()
    return [f"-A {INPUT} -s {address}/32 -j {chain(environment)}" for address in found]


def restored(environment: Environment, release: Release) -> list[str]:
    """Input of `iptables-restore --noflush`, on top of whatever rules there are."""
    found = jumps(environment, release)
    inserted = [jump.replace(f"-A {INPUT}", f"-I {INPUT} 1") for jump in found]
    return ["*filter", f":{chain(environment)} - [0:0]", *rules(environment), *inserted, "COMMIT"]


def unit_name(environment: Environment) -> str:
    return f"dify-rollout-firewall-{environment.dify.project}.service"


def unit(environment: Environment, release: Release, program: str) -> str:
    """The unit of systemd that writes the rules when the machine starts; empty where none are.

    `program`: the path of iptables.
    """
    if not (found := jumps(environment, release)):
        return ""
    return render(
        "firewall.service.j2",
        project=environment.dify.project,
        names=", ".join(addresses(environment, release)),
        program=program,
        restored=restored(environment, release),
        jumps=found,
    )


def _ports(environment: Environment) -> set[int]:
    """Of PostgreSQL, Redis and its Sentinels, and the store of plugin packages."""
    ports = {environment.postgres.port, environment.redis.port}
    ports |= {int(address.rpartition(":")[2]) for address in sentinels(environment)}
    if environment.storage.endpoint:
        store = urlsplit(environment.storage.endpoint)
        ports.add(store.port or (443 if store.scheme == "https" else 80))
    return ports
