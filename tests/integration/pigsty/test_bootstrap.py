"""Pigsty's tree and Ansible, from where they come: the online source, a tarball, a package."""

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from config.errors import StepError
from tasks.steps.table import PARTS
from tests.conftest import MakeDouble, PigstyDouble
from tests.integration.pigsty.conftest import deploy

HOSTS = {"default": "repo.pigsty.io", "china": "repo.pigsty.cc"}


@dataclass
class Source:
    """What Pigsty's sites serve, on this machine, and what they were asked for."""

    folder: Path
    asked: list[str] = field(default_factory=list[str])


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.asked.append(f"{self.headers['Host']}{self.path}")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Source]:
    """curl is led there by its own configuration; the addresses are Pigsty's."""
    source = Source(tmp_path / "source")
    (source.folder / "src").mkdir(parents=True)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ",".join(f"DNS:{host}" for host in HOSTS.values())
    words = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=source",
             "-addext", f"subjectAltName={names}", "-keyout", key, "-out", certificate)  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
    handler = type("Asked", (Handler,), {"asked": source.asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(source.folder))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    lines = [f'connect-to = "{host}:443:127.0.0.1:{server.server_port}"' for host in HOSTS.values()]
    (tmp_path / ".curlrc").write_text(
        "\n".join([*lines, f'cacert = "{certificate}"', 'noproxy = "*"', ""])
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()


def packed(double: PigstyDouble, archive: Path) -> Path:
    words = ("tar", "-czf", archive, "-C", double.tree.parent, double.tree.name)
    subprocess.run(words, check=True)
    return archive


@pytest.mark.parametrize(("region", "version"), [("default", "v4.5.0"), ("china", "v2.7.0")])
def test_the_version_asked_for_comes_from_the_regions_site(
    region: str, version: str, source: Source, make_pigsty_double: MakeDouble, tmp_path: Path
) -> None:
    double = make_pigsty_double(version)
    packed(double, source.folder / f"src/pigsty-{version}.tgz")
    home, address = tmp_path / "home", double.addresses[0]
    keys = {"home": home, "version": version, "region": region, "admin_ip": address}
    site = double.site(pigsty={**keys, "redis_nodes": [address]})
    assert deploy(site, [PARTS["bootstrap"]]) == [f"put Pigsty at {home}"]
    assert source.asked == [f"{HOSTS[region]}/src/pigsty-{version}.tgz"]
    assert not list(tmp_path.glob("home.new")) and not (home / "pigsty.tgz").exists()
    assert deploy(site, [PARTS["bootstrap"]]) == []

    entry = {"v4.5.0": "deploy.yml", "v2.7.0": "install.yml"}[version]
    assert (home / entry).exists()
    changes = deploy(site, [PARTS["configure"], PARTS["install"]])
    assert changes[-1] == "install Pigsty on its nodes"
    assert "started nginx" in double.journal()


def test_a_version_nobody_has_leaves_nothing_half_done(
    source: Source, make_pigsty_double: MakeDouble, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    site = make_pigsty_double().site(pigsty={"home": home, "version": "v9.9.9"})
    with pytest.raises(StepError) as refused:
        deploy(site, [PARTS["bootstrap"]])
    said = str(refused.value)
    assert "404" in said
    assert "give a tarball of Pigsty's tree on the admin node as pigsty.source" in said
    assert not home.exists()


def test_ansible_comes_with_an_offline_package(
    make_pigsty_double: MakeDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = make_pigsty_double()
    path = os.environ["PATH"].removeprefix(f"{double.programs}:")
    monkeypatch.setenv("PATH", f"{double.packages}:{path}")
    site = double.site()
    with pytest.raises(StepError) as refused:
        deploy(site, [PARTS["bootstrap"]])
    assert "Ansible is not installed" in str(refused.value)
    assert "or give pigsty.packages" in str(refused.value)

    package = tmp_path / "pkg.tgz"
    subprocess.run(("tar", "-czf", package, "-C", double.programs, "."), check=True)
    keys = site.environment.pigsty.model_dump() | {"packages": str(package)}
    offline = double.site(pigsty=keys)
    assert deploy(offline, [PARTS["bootstrap"]]) == ["install Ansible"]
    assert deploy(offline, [PARTS["bootstrap"]]) == []


def test_a_template_that_is_not_there_makes_no_inventory(make_pigsty_double: MakeDouble) -> None:
    double = make_pigsty_double()
    keys = double.site().environment.pigsty.model_dump() | {"template": "nosuch"}
    with pytest.raises(StepError) as refused:
        deploy(double.site(pigsty=keys), [PARTS["configure"]])
    assert f"was not made for {double.addresses[0]}" in str(refused.value)
    assert not (double.tree / "pigsty.yml").exists()
