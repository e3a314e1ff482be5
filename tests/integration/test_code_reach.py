"""What code of workflows and plugins reaches of the machine, tried from their containers."""

import ipaddress
import os
import re
import socket
import subprocess
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from clients.command import Command, Completed
from clients.docker_objects import Container
from clients.files import File
from clients.lines import OnLine
from clients.node import Entry, LocalNode
from config.desired import firewall
from config.rules.finding import Status
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.probes.engine import Wrong, ask_all
from tasks.probes.health import drift
from tasks.probes.health.probe import Past
from tasks.probes.verify.containers import reaches_nothing
from tasks.steps.compose import compose_steps
from tasks.steps.containers import down
from tasks.steps.docker import compose_prefix
from tasks.steps.firewall import SYSTEMD, Firewall, openness, remove_rules
from tasks.steps.firewall_unit import UNITS, RulesAtStart, remove_unit
from tasks.steps.settings import Folders, settings_steps
from tasks.tools import compose, iptables
from tests.integration.stack import BRIDGE, deployed
from tests.ports import free_ports

SCRIPT = """
import socket, sys
for address in sys.argv[1:]:
    host, _, port = address.rpartition(":")
    try: socket.create_connection((host, int(port)), timeout=2)
    except OSError: print("closed")
    else: print("open")
"""


@pytest.fixture(scope="module")
def stack(module_sandbox_site: Any) -> Generator[Site]:
    with deployed(module_sandbox_site, "1.15.0") as site:
        yield site


@pytest.fixture
def open_port() -> Generator[int]:
    """A server on every address of the machine."""
    (port,) = free_ports(1)
    with socket.create_server(("", port)) as server:
        server.listen(64)
        yield port


Reach = Callable[[str], set[str]]


@pytest.fixture
def reached(stack: Site, open_port: int) -> Reach:
    """Which of the machine's addresses a service's container reaches."""

    def ask(service: str) -> set[str]:
        words = [f"{address}:{open_port}" for address in machine(stack)]
        return {address.rpartition(":")[0] for address in tried(stack, service, words)}

    return ask


def tried(site: Site, service: str, addresses: list[str]) -> set[str]:
    """Those that a connection from the service's container is made to."""
    project = site.environment.dify.project
    name = next(c.name for c in site.docker.containers(project) if c.service == service)
    said = site.docker.inside(name, ["python3", "-c", SCRIPT, *addresses]).split()
    return {a for a, word in zip(addresses, said, strict=True) if word == "open"}


def machine(site: Site) -> list[str]:
    """The address it has, or would have, in the sandbox's network, in the stack's, and others."""
    client: Any = site.docker.client
    inner = client.networks.get(f"{site.environment.dify.project}_ssrf").attrs["IPAM"]["Config"][0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        outer = str(probe.getsockname()[0])
    stack = str(ipaddress.ip_network(site.environment.dify.subnet)[1])
    gateway = str(ipaddress.ip_network(inner["Subnet"])[1])
    return [gateway, stack, BRIDGE, outer]


def change(site: Site) -> list[str]:
    steps = [*settings_steps(site), *compose_steps(site)]
    return [change.what for step in steps for change in converge(step).changes]


def test_no_network_hides_a_machine_of_the_state(stack: Site):
    """A range that the engine chose could be that of PostgreSQL or Redis, which were gone then."""
    own = ipaddress.ip_network(stack.environment.dify.subnet)
    made = stack.docker.networks(stack.environment.dify.project)
    assert {
        name: ipaddress.ip_network(each.subnet).subnet_of(own) for name, each in made.items()
    } == {
        "default": True,
        "ssrf": True,
    }


def test_code_reaches_no_port_of_the_machine_and_the_api_does(reached: Reach):
    assert reached("sandbox") == set()
    assert BRIDGE in reached("api")


def test_a_plugin_reaches_of_the_machine_the_state_only(stack: Site, reached: Reach):
    postgres, redis = stack.environment.postgres, stack.environment.redis
    state = [f"{postgres.host}:{postgres.port}", f"{redis.host}:{redis.port}"]
    peers = ["api:5001", "ssrf_proxy:3128"]
    assert tried(stack, "plugin_daemon", [*state, *peers]) == {*state, *peers}
    assert reached("plugin_daemon") == set()


def test_rules_that_somebody_flushed_come_back(stack: Site, reached: Reach):
    chain = firewall.chain(stack.environment)
    [jump] = firewall.jumps(stack.environment, stack.release)
    stack.node.run(Command(("iptables", "-w", *jump.replace("-A", "-D", 1).split())))
    assert BRIDGE in reached("plugin_daemon")
    assert change(stack) == ["close this machine's other ports for plugin_daemon"]
    assert reached("plugin_daemon") == set()
    stack.node.run(Command(("iptables", "-w", "-F", chain)))
    assert len(change(stack)) == 1
    assert reached("plugin_daemon") == set()
    assert change(stack) == []


def test_rules_that_were_flushed_are_named_by_health(stack: Site):
    stack.node.run(Command(("iptables", "-w", "-F", firewall.chain(stack.environment))))
    assert converge(Firewall(stack), dry_run=True).changes
    files = drift.probes(stack, Past())
    [finding] = ask_all(files, patience=1)
    assert finding.status is Status.WARN
    assert "close this machine's other ports for plugin_daemon" in finding.said
    change(stack)
    [finding] = ask_all(files, patience=1)
    assert finding.status is Status.OK, finding


def test_the_unit_of_the_machines_start_writes_the_same_rules(stack: Site, reached: Reach):
    """Its own words, as systemd runs them, on a packet filter that has none of the rules."""
    remove_rules(stack)
    assert BRIDGE in reached("plugin_daemon")
    program = stack.node.which(iptables.PROGRAM) or ""
    unit = firewall.unit(stack.environment, stack.release, program)
    given = "".join(f"{text}\n" for text in re.findall("^StandardInputText=(.*)$", unit, re.M))
    for ignored, words in re.findall("^ExecStart(?:Pre)?=(-?)(.*)$", unit, re.M) * 2:
        done = subprocess.run(words.split(), input=given, capture_output=True, text=True)
        assert ignored or done.returncode == 0, done.stderr
    assert reached("plugin_daemon") == set()
    assert Firewall(stack).plan(Firewall(stack).observe()) == []


@dataclass
class Booted(LocalNode):
    """A machine that systemd starts, whose folder of units is another one."""

    units: Path

    def __post_init__(self) -> None:
        super().__init__()

    def look(self, paths: Iterable[Path]) -> dict[Path, Entry | None]:
        wanted = list(paths)
        found = super().look([self.there(path) for path in wanted])
        return dict(zip(wanted, found.values(), strict=True))

    def mode(self, path: Path) -> int | None:
        return super().mode(self.there(path))

    def write(self, file: File) -> None:
        super().write(replace(file, path=self.there(file.path)))

    def run(self, command: Command, on_line: OnLine | None = None) -> str:
        match command.words:
            case ("systemctl", "enable", name):
                self.link(str(name)).symlink_to(self.units / str(name))
            case ("systemctl", "disable", name):
                self.link(str(name)).unlink()
            case ("systemctl", "daemon-reload"):
                pass
            case ("rm", "-f", path):
                self.there(Path(str(path))).unlink()
            case _:
                return super().run(command, on_line)
        return ""

    def link(self, name: str) -> Path:
        return self.units / "multi-user.target.wants" / name

    def there(self, path: Path) -> Path:
        if path == SYSTEMD:
            return self.units
        return self.units / path.relative_to(UNITS) if path.is_relative_to(UNITS) else path


def test_where_systemd_starts_the_machine_the_rules_are_kept(stack: Site, tmp_path: Path):
    (tmp_path / "multi-user.target.wants").mkdir()
    node = Booted(tmp_path)
    booted = Site(stack.environment, stack.release, stack.secrets, node)
    step = RulesAtStart(booted)
    assert [c.what for c in converge(step).changes] == ["keep the rules when the machine starts"]
    assert converge(step).changes == ()
    [unit] = tmp_path.glob("*.service")
    node.link(unit.name).unlink()
    assert [c.before for c in converge(step).changes] == ["not enabled"]
    remove_unit(booted)
    assert list(tmp_path.rglob("*.service")) == []
    remove_unit(booted)
    assert openness(booted) == []


class Guest(LocalNode):
    """Somebody other than root."""

    def is_root(self) -> bool:
        return False


class Inside(LocalNode):
    """Root of a container, which may not ask the packet filter."""

    def attempt(self, command: Command) -> Completed:
        return super().attempt(
            replace(command, words=("setpriv", "--bounding-set=-all", *command.words))
        )


@pytest.mark.parametrize("node", [Guest(), Inside()])
def test_where_no_rules_can_be_written_it_is_told_what_stays_open(stack: Site, node: LocalNode):
    without = Site(stack.environment, stack.release, stack.secrets, node)
    [found] = openness(without)
    assert "plugin_daemon may ask every port of local" in str(found)
    assert Firewall(without).plan(Firewall(without).observe()) == []
    assert RulesAtStart(without).observe() is None


def test_a_folder_is_given_to_the_containers_by_whoever_is_not_root(stack: Site):
    guest = Folders(Site(stack.environment, stack.release, stack.secrets, Guest()))
    path, owner = next((at, owner) for at, owner in guest.observe().items() if owner)
    os.chown(path, 0, 0)
    assert [change.target for change in converge(guest).changes] == [str(path)]
    assert guest.observe()[path] == owner
    assert converge(guest).changes == ()


def test_where_nothing_writes_the_rules_again_it_is_told(stack: Site):
    found = [f"{each.probe}: {each.said}" for each in openness(stack)]
    if SYSTEMD.exists():
        assert found == []
    else:
        assert found == [
            "firewall: local has no systemd: after a restart of it plugin_daemon reaches every "
            "port of it until the next deploy"
        ]


def test_a_container_that_a_killed_start_left_outside_a_network_is_made_anew(stack: Site):
    inner = f"{stack.environment.dify.project}_ssrf"
    api: Any = stack.docker.client.api
    api.disconnect_container_from_network(worker(stack).id, inner, force=True)
    assert [what for what in change(stack) if "worker" in what]
    assert inner in worker(stack).networks
    assert change(stack) == []


def worker(site: Site) -> Container:
    known = site.docker.containers(site.environment.dify.project)
    return next(one for one in known if one.service == "worker")


@pytest.mark.long
def test_a_network_that_was_made_with_a_gateway_is_remade(stack: Site, reached: Reach):
    home: Path = stack.environment.dify.home
    prefix, text = compose_prefix(stack.node), (home / "compose.yaml").read_text()
    assert "inhibit_ipv4" in text
    stack.node.run(compose.down(prefix, home))
    (home / "compose.yaml").write_text(
        text.replace("inhibit_ipv4: 'true'", "inhibit_ipv4: 'false'")
    )
    stack.node.run(compose.up(prefix, home, wait_s=120))
    opened = reached("sandbox")
    assert opened
    if BRIDGE in opened:  # newer engines keep such a network from the others' bridges by themselves
        with pytest.raises(Wrong, match=f"reaches {BRIDGE}:{stack.environment.postgres.port}"):
            reaches_nothing(stack)
    assert "remake the network ssrf" in change(stack)
    assert reached("sandbox") == set()
    assert change(stack) == []
    assert reaches_nothing(stack) == "8 addresses do not answer"


@pytest.mark.long
def test_a_network_whose_range_the_engine_chose_is_remade(stack: Site):
    """As every stack had them until networks became parts of `dify.subnet`."""
    home: Path = stack.environment.dify.home
    file, yaml = home / "compose.yaml", YAML()
    document = yaml.load(file)
    del document["networks"]["ssrf"]["ipam"]
    prefix = compose_prefix(stack.node)
    stack.node.run(compose.down(prefix, home))
    yaml.dump(document, file)
    stack.node.run(compose.up(prefix, home, wait_s=120))
    assert "remake the network ssrf" in change(stack)
    assert change(stack) == []
    test_no_network_hides_a_machine_of_the_state(stack)


def test_what_is_taken_down_leaves_no_rule(stack: Site):
    down(stack)
    assert firewall.chain(stack.environment) not in stack.node.run(iptables.listed())
    down(stack)
