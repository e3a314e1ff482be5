"""Real registries, a proxy that fails on purpose before them, and engines of our own."""

import http.client
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from docker.types import IPAMConfig, IPAMPool

from clients.command import Command
from clients.docker import Docker
from clients.node import LocalNode
from clients.processes import process
from tests.engine import started
from tests.matrix.suite import FORKY, Suite, fetched, over_usr
from tests.ports import free_ports
from tests.serving import serving
from tests.subnets import free_subnet

USER, PASSWORD = "robot", "s3cret word"
HTPASSWD = f"{USER}:$2b$04$RA8WphFmb7s8tyM8AsrLNef0foDJWRsUCF7lGghINm5YvSkdSoYwa\n"
CERTIFICATE = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
               "-subj", "/CN=registry.test", "-addext")  # fmt: skip
SUBNET = free_subnet()
GATEWAY = str(ip_network(SUBNET)[1])


class NodeWith(LocalNode):
    """This machine as another node: with an engine of its own."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url

    def docker_url(self) -> str | None:
        return self._url


@pytest.fixture(scope="session")
def docker() -> Docker:
    return started()


@dataclass
class OwnEngine:
    """A second Docker Engine: own socket, data, pid; containers without a network only."""

    folder: Path
    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    programs: Suite | None = None

    @property
    def node(self) -> NodeWith:
        return NodeWith("second", f"unix://{self.folder}/docker.sock")

    @property
    def docker(self) -> Docker:
        return Docker(self.node)

    @property
    def config(self) -> Path:
        return self.folder / "daemon.json"

    @property
    def pidfile(self) -> Path:
        return self.folder / "docker.pid"

    @property
    def bridge(self) -> str:
        """Without a bridge of its own, or with none, an engine removes the machine's docker0."""
        return f"rb-{self.folder.name[-8:]}"

    def start(self) -> None:
        if not self.config.exists():
            self.config.write_text("{}\n")
        if not Path("/sys/class/net", self.bridge).exists():
            _ip("link", "add", self.bridge, "type", "bridge")
            _ip("addr", "add", f"10.211.{random.randrange(1, 256)}.1/30", "dev", self.bridge)
        words = (
            "dockerd", f"--config-file={self.config}", f"--host=unix://{self.folder}/docker.sock",
            f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec",
            f"--pidfile={self.pidfile}", f"--bridge={self.bridge}", "--iptables=false",
            "--ip-forward=false", "--ip-masq=false", *self.arguments,
        )  # fmt: skip
        if self.programs:
            words = (*over_usr(self.programs), *words)
        env = tuple(self.variables.items())
        LocalNode().spawn(Command(words, env=env), self.folder / "dockerd.log")
        deadline = time.monotonic() + 30
        while trouble := self.docker.trouble():
            assert time.monotonic() < deadline, trouble
            time.sleep(0.1)

    def stop(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int(self.pidfile.read_text())
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 20
            while process(pid) and time.monotonic() < deadline:
                time.sleep(0.05)


@contextmanager
def own_engine(
    folder: Path, *arguments: str, programs: Suite | None = None, **variables: str
) -> Generator[OwnEngine]:
    engine = OwnEngine(folder, arguments, variables, programs)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
        _ip("link", "delete", engine.bridge)
        # An engine mounts its data on itself, and leaves it so.
        subprocess.run(["umount", "-R", folder / "data"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(scope="session")
def second(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Generator[OwnEngine]:
    """Another node's engine. (A socket's path must be short.)"""
    folder = Path(f"/tmp/rollout-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    with own_engine(folder) as engine:
        yield engine


@pytest.fixture(scope="session")
def newer(docker: Docker) -> Generator[OwnEngine]:
    """An engine of a later Debian, which keeps images in containerd's store."""
    folder = Path(f"/tmp/rollout-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    (folder / "daemon.json").write_text('{"features": {"containerd-snapshotter": true}}\n')
    with own_engine(folder, programs=fetched(FORKY)) as engine:
        assert not engine.docker.shares_layers()
        yield engine


@pytest.fixture
def small_engine(docker: Docker) -> Generator[OwnEngine]:
    """An engine with room for next to nothing."""
    folder = Path(f"/tmp/rollout-{uuid.uuid4().hex[:8]}")
    (folder / "data").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder / "data"], check=True)
    try:
        with own_engine(folder) as engine:
            yield engine
    finally:
        # The engine mounts its data once more, over itself.
        while f" {folder}/data " in Path("/proc/self/mounts").read_text():
            subprocess.run(["umount", "-R", folder / "data"], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_engine(docker: Docker) -> Callable[..., AbstractContextManager[OwnEngine]]:
    """Makes an engine that starts with this daemon.json."""

    @contextmanager
    def made(config: str) -> Generator[OwnEngine]:
        folder = Path(f"/tmp/rollout-{uuid.uuid4().hex[:8]}")
        folder.mkdir()
        (folder / "daemon.json").write_text(config)
        with own_engine(folder) as engine:
            yield engine

    return made


@contextmanager
def serve_registry(
    folder: Path, *, login: bool = False, tls: bool = False, address: str = "127.0.0.1"
) -> Generator[str]:
    """Host and port of a registry of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"{address}:{port}", "secret": "x"},
    }
    if login:
        (folder / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    if tls:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        words = (
            *CERTIFICATE,
            f"subjectAltName=IP:{address}",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        )
        subprocess.run(words, check=True, capture_output=True)
        config["http"]["tls"] = {"key": str(key), "certificate": str(certificate)}
    file = folder / f"{port}.yml"
    file.write_text(json.dumps(config))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with serving(["docker-registry", "serve", str(file)], **quiet):
        deadline = time.monotonic() + 20
        while not _connects(address, port):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"{address}:{port}"


def _connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def registry_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def registry(registry_folder: Path) -> Generator[str]:
    with serve_registry(registry_folder) as host:
        yield host


@pytest.fixture(scope="session")
def gateway(docker: Docker) -> Generator[str]:
    """An address of this machine that is not loopback: engines trust it no more than any other."""
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET, gateway=GATEWAY)])
    for left in docker.client.networks.list(names=["rollout-test-images"]):
        left.remove()  # by a run that was killed
    network = docker.client.networks.create("rollout-test-images", ipam=pool)
    yield GATEWAY
    network.remove()


@pytest.fixture(scope="session")
def private_registry(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """One with TLS that wants a password."""
    folder = tmp_path_factory.mktemp("private")
    with serve_registry(folder, login=True, tls=True, address=gateway) as host:
        trusted = Path("/etc/docker/certs.d") / host
        trusted.mkdir(parents=True, exist_ok=True)  # may be left by a run that was killed
        shutil.copy(folder / "certificate.pem", trusted / "ca.crt")
        try:
            yield host
        finally:
            shutil.rmtree(trusted)


@pytest.fixture(scope="session")
def outer_registry(gateway: str, registry_folder: Path) -> Generator[str]:
    """The same images at an address that is not loopback: engines go there through a proxy."""
    with serve_registry(registry_folder, address=gateway) as host:
        yield host


Fault = Callable[[str], str | None]


class Faults(ThreadingHTTPServer):
    """A registry's double that fails as it is told.

    `fault`: path of a request → "500", "429", "stall", "cut:BYTES", or None to serve it. `served`
    counts the bytes of blobs that went out.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.fault: Fault = lambda _: None
        self.served = 0
        self.asked: list[str] = []
        self.cuts = 0
        self.slow_s = 0.0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # so that who greets it by TLS gets an answer with a head
    server: Faults

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        fault = self.server.fault(self.path)
        if fault in ("500", "429"):
            self.close_connection = True
            self.send_error(int(fault))
            return
        if fault == "stall":
            time.sleep(20)
            self.close_connection = True
            return
        with suppress(ConnectionError):
            self._serve(int(fault.removeprefix("cut:")) if fault else None)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _serve(self, most: int | None) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream)
        # Newer engines send a line of Accept for each kind of manifest they take.
        asked = (
            (name, self.headers.get_all(name)) for name in ("Accept", "Range", "Authorization")
        )
        kept = {name: ", ".join(values) for name, values in asked if values}
        upstream.request(self.command, self.path, headers=kept)
        answer = upstream.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Date", "Connection"):
                self.send_header(name, value)
        self.end_headers()
        sent = 0
        while data := answer.read(16384):
            if most is not None and sent + len(data) > most:
                self.close_connection = True
                self.server.cuts += 1
                return
            self.wfile.write(data)
            sent += len(data)
            if "/blobs/" in self.path:
                self.server.served += len(data)
                time.sleep(self.server.slow_s)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def faults(registry: str) -> Generator[Faults]:
    with Faults(registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def layer(size: int, seed: int) -> bytes:
    """The tar of one file that does not compress."""
    tree = io.BytesIO()
    with tarfile.open(fileobj=tree, mode="w") as archive:
        entry = tarfile.TarInfo(f"data-{seed}")
        entry.size = size
        archive.addfile(entry, io.BytesIO(random.Random(seed).randbytes(size)))
    return tree.getvalue()


class Maker:
    """Makes images of random layers, and forgets them at the end."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker = docker
        self.folder = folder
        self.made: list[str] = []

    def __call__(self, reference: str, sizes: list[int], base: str = "") -> str:
        """An image of layers of these sizes, on top of another one if named; its id."""
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        lines = [f"FROM {base or 'scratch'}"]
        for number, size in enumerate(sizes):
            (folder / f"{number}.tar").write_bytes(layer(size, random.randrange(1 << 30)))
            lines.append(f"ADD {number}.tar /{number}/")
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
        self.docker.build(str(folder), reference, {}, {})
        shutil.rmtree(folder)
        self.made.append(reference)
        found = self.docker.image(reference)
        assert found
        return found.id

    def push(self, reference: str, *, login: bool = False) -> str:
        """To the registry that its name says; its digest there."""
        config = {"username": USER, "password": PASSWORD} if login else None
        for line in self.docker.client.images.push(
            reference, stream=True, decode=True, auth_config=config
        ):
            assert "error" not in line, line
        found = self.docker.image(reference)
        assert found
        return found.digests[0]

    def forget(self, *references: str) -> None:
        for reference in references:
            if image := self.docker.image(reference):
                self.docker.forget(image)


@pytest.fixture
def make(docker: Docker, tmp_path: Path) -> Iterator[Maker]:
    maker = Maker(docker, tmp_path)
    yield maker
    maker.forget(*maker.made)


@pytest.fixture(scope="module")
def make_once(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    """For images that a whole file of tests shares."""
    maker = Maker(docker, tmp_path_factory.mktemp("make"))
    yield maker
    maker.forget(*maker.made)
