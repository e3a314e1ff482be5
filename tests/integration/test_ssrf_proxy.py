"""The stack's squid in a container, asked for every form of a private address."""

import ipaddress
import json
import re
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker.types import IPAMConfig, IPAMPool

from config.desired.stack import mounted_files
from config.load import load_environment, load_release
from tasks.core.step import converge
from tasks.images.copy_to_nodes import images_steps
from tests.engine import started
from tests.integration import names

# Stands for the internet: in no range of the proxy's list, and used by nobody since RFC 7526.
WORLD = "192.88.99.0/24"
DNS, PUBLIC, PROXY = "192.88.99.53", "192.88.99.80", "192.88.99.31"
ANSWERS = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
"""

LITERALS = (
    "127.0.0.1", "2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "127.1",
    "0", "0.0.0.0", "127.0.0.1.", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",  # noqa: S104
    "169.254.169.254", "localhost", "LOCALHOST",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]", "[fd00::1]", "[fe80::1]", "[ff02::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[0:0:0:0:0:ffff:0a00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2606:4700:4700::1111]",
    "user@[::1]", "user:pw@127.0.0.1",
)  # fmt: skip

NAMES: dict[str, Any] = {
    "loop.test": {"A": ["127.0.0.1"]},
    "ten.test": {"A": ["10.0.0.1"]},
    "metadata.test": {"A": ["169.254.169.254"]},
    "several.test": {"A": [PUBLIC, "10.0.0.1"]},
    "public.test": {"A": [PUBLIC]},
}
# Whether the proxy asks for IPv6 at all depends on its kernel: refused or not found, never reached.
NAMES_OF_IPV6: dict[str, Any] = {
    "six.test": {"AAAA": ["::1"]},
    "local.test": {"AAAA": ["fd00::1"]},
    "mapped.test": {"AAAA": ["::ffff:127.0.0.1"]},
    "liar.test": {"A": ["::1"]},
    "mapped-liar.test": {"A": ["::ffff:127.0.0.1"]},
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """The running squid, and the address of a server that it may not reach."""

    container: Any
    secret: str

    def asks(self, request: str) -> tuple[int, str]:
        """Status and text of its answer; 0 where it hangs up."""
        with socket.create_connection((PROXY, 3128), timeout=15) as raw:
            raw.sendall(f"{request} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            text = b"".join(iter(lambda: raw.recv(65536), b"")).decode(errors="replace")
        return int(text.split(" ", 2)[1]) if text else 0, text

    def gets(self, host: str) -> int:
        return self.asks(f"GET http://{host}/")[0]

    def alive(self) -> bool:
        self.container.reload()
        return self.container.status == "running" and self.container.attrs["RestartCount"] == 0


@contextmanager
def removed(*things: Any) -> Generator[None]:
    try:
        yield
    finally:
        for thing in things:
            thing.remove(**({"force": True} if hasattr(thing, "logs") else {}))


@pytest.fixture(scope="module")
def images(module_sandbox_site: Any) -> dict[str, str]:
    site = module_sandbox_site(images={"source": "rehearsal"})
    started()
    for step in images_steps(site):
        converge(step)
    return dict(site.release.images)


@pytest.fixture(scope="module")
def networks() -> Generator[tuple[Any, Any]]:
    """One that stands for the internet, and the stack's internal one."""
    client = started().client
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=WORLD)])
    world = client.networks.create("rollout-test-world", ipam=pool)
    ssrf = client.networks.create("rollout-test-ssrf", internal=True)
    with removed(world, ssrf):
        yield world, ssrf


@pytest.fixture(scope="module")
def servers(images: dict[str, str], networks: tuple[Any, Any]) -> Generator[str]:
    """Of the internet a web server and the DNS, of the stack another; the address of that one."""
    client, (world, ssrf) = started().client, networks

    def serve(network: Any, address: str, *words: str) -> Any:
        made = client.containers.create(
            images["api"], list(words), entrypoint=["python3"], user="0"
        )
        client.networks.get("bridge").disconnect(made, force=True)
        network.connect(made, ipv4_address=address or None)
        made.start()
        made.reload()
        return made

    public = serve(world, PUBLIC, "-c", ANSWERS, "public")
    secret = serve(ssrf, "", "-c", ANSWERS, "secret")
    at = str(secret.attrs["NetworkSettings"]["Networks"][ssrf.name]["IPAddress"])
    rebinding = {f"rebind{n}.test": {"A": [[PUBLIC]] * n + [[at]]} for n in range(4)}
    zone = NAMES | NAMES_OF_IPV6 | rebinding | {"secret.test": {"A": [at]}}
    dns = serve(world, DNS, "-c", Path(names.__file__).read_text(), json.dumps(zone))
    with removed(public, secret, dns):
        yield at


@pytest.fixture(scope="module", params=[1, 0], ids=["without IPv6", "with IPv6"])
def proxy(
    request: Any,
    images: dict[str, str],
    networks: tuple[Any, Any],
    servers: str,
    tmp_path_factory: Any,
) -> Generator[Proxy]:
    """As release and template say. Newer engines leave containers the IPv6 of their loopback."""
    client, (world, ssrf), release = started().client, networks, load_release("1.15.0")
    conf: Path = tmp_path_factory.mktemp("squid") / "squid.conf"
    conf.write_text(mounted_files(load_environment("sandbox"), release)["squid.conf"])
    made = client.containers.create(
        images["ssrf_proxy"],
        entrypoint=release.services["ssrf_proxy"].entrypoint,
        volumes={str(conf): {"bind": "/etc/squid/squid.conf", "mode": "ro"}},
        sysctls={"net.ipv6.conf.all.disable_ipv6": request.param},
        dns=[DNS],
        restart_policy={"Name": "unless-stopped"},
    )
    client.networks.get("bridge").disconnect(made, force=True)
    world.connect(made, ipv4_address=PROXY)
    # Both before it starts, as Compose does: the engine writes /etc/hosts anew with each, and squid
    # reads that file once.
    ssrf.connect(made)
    made.start()
    with removed(made):
        until_it_listens()
        yield Proxy(made, servers)


def until_it_listens() -> None:
    for _ in range(100):
        with socket.socket() as raw:
            if raw.connect_ex((PROXY, 3128)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the proxy does not listen")


def test_what_is_public_is_fetched(proxy: Proxy):
    assert proxy.asks("GET http://public.test/?a[]=1")[1].endswith("public")
    assert proxy.gets(PUBLIC) == 200


def test_the_proxy_has_nothing_to_complain_about(proxy: Proxy):
    said = re.sub(r".*BCP 177 violation.*", "", proxy.container.logs().decode())  # has no IPv6
    assert not re.search(r"(?i)(error|warning|fatal|assert)", said)


@pytest.mark.parametrize("request_line", [f"GET http://{PUBLIC}:25/", f"CONNECT {PUBLIC}:8443"])
def test_only_ports_of_the_web_are_asked(proxy: Proxy, request_line: str):
    assert proxy.asks(request_line)[0] == 403


@pytest.mark.parametrize("host", LITERALS)
def test_no_form_of_a_private_address_passes(proxy: Proxy, host: str):
    assert proxy.gets(host) == 403
    if "@" not in host:
        assert proxy.asks(f"CONNECT {host}:443")[0] == 403
        assert proxy.asks(f"GET ftp://{host}/")[0] == 403
    assert proxy.alive()


@pytest.mark.parametrize("name", [*sorted(set(NAMES) - {"public.test"}), "secret.test"])
def test_no_name_of_a_private_address_passes(proxy: Proxy, name: str):
    assert proxy.gets(name) == proxy.asks(f"CONNECT {name}:443")[0] == 403
    assert proxy.alive()


@pytest.mark.parametrize("name", NAMES_OF_IPV6)
def test_no_name_of_an_ipv6_address_passes(proxy: Proxy, name: str):
    assert proxy.gets(name) >= 400
    assert proxy.asks(f"CONNECT {name}:443")[0] >= 400
    assert proxy.alive()


@pytest.mark.parametrize("turn", range(4))
def test_a_name_that_turns_private_is_not_followed(proxy: Proxy, turn: int):
    """Public for the check, private for the connection: the answer of the check is the one used."""
    said = [proxy.asks(f"GET http://rebind{turn}.test/") for _ in range(20)]
    assert not [text for _, text in said if text.endswith("secret")]
    assert {status for status, _ in said} <= {200, 403}
    assert proxy.alive()


def test_the_servers_of_the_test_answer(proxy: Proxy):
    """What is refused above is refused, and not merely absent."""
    script = f"import urllib.request as u; print(u.urlopen('http://{proxy.secret}/').read())"
    made = started().client.containers.run(
        load_release("1.15.0").images["api"], ["-c", script], entrypoint=["python3"],
        network="rollout-test-ssrf", remove=True, environment={"no_proxy": "*"},
    )  # fmt: skip
    assert b"secret" in made
    assert ipaddress.ip_address(proxy.secret).is_private
