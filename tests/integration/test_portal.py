"""The portal on a real nginx, in front of a small upstream that is really slow or really large."""

import http.server
import json
import os
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, converge
from tasks.platforms.sandbox import nginx
from tasks.platforms.sandbox.authority import Paths
from tasks.probes.subjects.portal import days_left
from tasks.steps.table import PARTS
from tests.certificates import sign

MB = 1024 * 1024
MakeSite = Callable[..., Site]


class Upstream(http.server.BaseHTTPRequestHandler):
    """What the stack would be: it tells what it was asked, streams, upgrades, swallows bodies."""

    protocol_version = "HTTP/1.1"
    go_on: threading.Event

    def do_GET(self) -> None:
        if self.path == "/stream":
            self._stream()
        elif self.headers.get("Upgrade") == "websocket":
            self._echo()
        else:
            self._say({name.lower(): value for name, value in self.headers.items()})

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, MB)))
        self._say({"read": int(self.headers["Content-Length"])})

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def _say(self, what: dict[str, Any]) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        """The second event is sent only after the test has seen the first."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: one\n\n")
        self.wfile.flush()
        if self.server.go_on.wait(20):  # type: ignore[attr-defined]
            self.wfile.write(b"data: two\n\n")
        self.close_connection = True

    def _echo(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        while data := self.connection.recv(64):
            self.connection.sendall(data.upper())
        self.close_connection = True


@pytest.fixture
def make_site(sandbox_site: Callable[..., Site]) -> Generator[MakeSite]:
    """Sites of own sandboxes; the same name is the same sandbox with other settings of [portal]."""
    sandboxes: dict[str, Site] = {}

    def make(name: str = "one", **portal: Any) -> Site:
        if name not in sandboxes:
            sandboxes[name] = sandbox_site(
                name,
                portal={"domain": "dify.test", "body_size_mb": 1},
                dify={"upload_limit_mb": 1},
            )
        return changed(sandboxes[name], "portal", **portal)

    yield make
    for site in sandboxes.values():
        nginx.stop(site)
        assert nginx.running(nginx.folder(site)) is None


def changed(site: Site, section: str, **values: Any) -> Site:
    part = getattr(site.environment, section).model_copy(update=values)
    environment = site.environment.model_copy(update={section: part})
    return Site(environment, site.release, site.secrets)


@pytest.fixture
def go_on() -> threading.Event:
    return threading.Event()


@pytest.fixture
def site(make_site: MakeSite, go_on: threading.Event) -> Generator[Site]:
    """A sandbox with an upstream where the stack would answer; no portal yet."""
    site = make_site()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", site.environment.dify.port), Upstream)
    server.daemon_threads = True
    server.go_on = go_on  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield site
    go_on.set()
    server.shutdown()
    server.server_close()


def deploy(site: Site) -> list[Change]:
    return [change for step in PARTS["portal"](site) for change in converge(step).changes]


def client(site: Site) -> httpx.Client:
    """A browser that trusts the sandbox's CA and has the domain in its hosts file."""
    trust = ssl.create_default_context(cafile=str(Paths.below(site.environment.sandbox.home).ca))
    portal = site.environment.portal

    def to_domain(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = portal.domain

    return httpx.Client(
        base_url=f"https://127.0.0.1:{portal.https_port}",
        headers={"Host": f"{portal.domain}:{portal.https_port}"},
        verify=trust,
        timeout=10,
        trust_env=False,
        event_hooks={"request": [to_domain]},
    )


def pids(site: Site) -> tuple[int, set[int]]:
    found = nginx.running(nginx.folder(site))
    assert found is not None
    return found.master.pid, {worker.pid for worker in found.workers}


def files(site: Site) -> dict[str, tuple[int, bytes]]:
    """Every file a second run must not touch."""
    home = site.environment.sandbox.home.resolve()
    paths = [*(home / "ca").iterdir(), *(home / "nginx/conf.d").iterdir()]
    paths.append(home / "nginx/nginx.conf")
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def status_of_upload(site: Site, size: int) -> int:
    with client(site) as http_client:
        return http_client.post("/upload", content=bytes(size)).status_code


def test_first_run_serves_and_second_touches_nothing(site: Site):
    assert deploy(site)[-1].what == "start nginx"
    before, processes = files(site), pids(site)
    assert deploy(site) == []
    assert files(site) == before
    assert pids(site) == processes


def test_a_dry_run_on_a_bare_machine_changes_nothing(site: Site, tmp_path: Path):
    bare = changed(site, "sandbox", home=tmp_path / "bare")
    changes = [c for s in PARTS["portal"](bare) for c in converge(s, dry_run=True).changes]
    assert "start nginx" in [change.what for change in changes]
    assert not (tmp_path / "bare").exists()
    assert nginx.running(nginx.folder(bare)) is None


def test_the_upstream_learns_what_the_visitor_asked_for(site: Site):
    deploy(site)
    portal = site.environment.portal
    with client(site) as http_client:
        seen = http_client.get("/").raise_for_status().json()
    assert seen["host"] == f"{portal.domain}:{portal.https_port}"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-for"] == "127.0.0.1"


def handshake(site: Site, name: str, **limits: Any) -> tuple[str, str]:
    """Version and cipher that the portal agrees to. Raises ssl.SSLError where it refuses."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{limits.pop('ciphers', 'ALL')}:@SECLEVEL=0")
    for key, value in limits.items():
        setattr(context, key, value)
    port = site.environment.portal.https_port
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name or None) as stream,
    ):
        cipher = stream.cipher()
        assert cipher
        return str(stream.version()), cipher[0]


def test_an_unknown_host_is_refused(site: Site):
    deploy(site)
    portal = site.environment.portal
    for host in ("other.test", "127.0.0.1", f"x.{portal.domain}"):
        answer = httpx.get(
            f"http://127.0.0.1:{portal.http_port}/", headers={"Host": host}, trust_env=False
        )
        assert answer.status_code == 421
        with client(site) as http_client:
            assert http_client.get("/", headers={"Host": host}).status_code == 421
    for name in ("other.test", ""):
        with pytest.raises(ssl.SSLError):
            handshake(site, name)
    assert handshake(site, portal.domain)[0] == "TLSv1.3"


OLD = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE+AES128:!AESGCM", "ECDHE+AES256:!AESGCM", "DHE"]
MODERN = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the version that is refused
def test_only_ciphers_of_mozillas_intermediate_list_are_agreed_to(site: Site):
    deploy(site)
    domain, twelve = site.environment.portal.domain, {"maximum_version": ssl.TLSVersion.TLSv1_2}
    names = ":".join(f"ECDHE-{key}-{cipher}" for cipher in MODERN for key in ("RSA", "ECDSA"))
    version, cipher = handshake(site, domain, ciphers=names, **twelve)
    assert version == "TLSv1.2" and cipher.startswith("ECDHE-")
    for old in OLD:
        with pytest.raises(ssl.SSLError):
            handshake(site, domain, ciphers=old, **twelve)
    eleven = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        handshake(site, domain, minimum_version=eleven, maximum_version=eleven)


def test_browsers_are_told_what_they_may_do(site: Site):
    deploy(site)
    with client(site) as http_client:
        for path in ("/", "/apps", "/app/x/workflow", "/signin", "/console/api/setup"):
            headers = http_client.get(path).headers
            assert headers["strict-transport-security"] == "max-age=63072000"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"] == "frame-ancestors 'self'"
        large = http_client.post("/upload", content=bytes(2 * MB))
        assert large.status_code == 413
        assert large.headers["content-security-policy"] == "frame-ancestors 'self'"


def test_shared_apps_may_be_shown_in_frames(site: Site):
    deploy(site)
    with client(site) as http_client:
        for path in ("/chatbot/x", "/chat/x", "/workflow/x", "/completion/x", "/e/hook/page"):
            headers = http_client.get(path).headers
            assert "content-security-policy" not in headers
            assert headers["x-content-type-options"] == "nosniff"


def test_plain_http_leads_to_https(site: Site):
    deploy(site)
    portal = site.environment.portal
    answer = httpx.get(
        f"http://127.0.0.1:{portal.http_port}/apps?x=1",
        headers={"Host": portal.domain},
        trust_env=False,
    )
    assert answer.status_code in (301, 302, 307, 308)
    assert answer.headers["location"] == f"{site.environment.public_url}/apps?x=1"


def test_without_tls_it_serves_plainly(make_site: MakeSite, site: Site):
    deploy(site)
    plain = make_site(tls=False)
    assert "reload nginx" in [change.what for change in deploy(plain)]
    portal = plain.environment.portal
    answer = httpx.get(
        f"http://127.0.0.1:{portal.http_port}/", headers={"Host": portal.domain}, trust_env=False
    )
    assert answer.json()["x-forwarded-proto"] == "http"
    with pytest.raises(httpx.ConnectError), client(site) as http_client:
        http_client.get("/")


def test_events_arrive_one_by_one(site: Site, go_on: threading.Event):
    deploy(site)
    with client(site) as http_client, http_client.stream("GET", "/stream") as answer:
        events = answer.iter_lines()
        assert next(events) == "data: one"
        go_on.set()
        assert [line for line in events if line] == ["data: two"]


def test_a_websocket_passes_both_ways(site: Site):
    deploy(site)
    portal = site.environment.portal
    trust = ssl.create_default_context(cafile=str(Paths.below(site.environment.sandbox.home).ca))
    with (
        socket.create_connection(("127.0.0.1", portal.https_port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname=portal.domain) as stream,
    ):
        stream.sendall(
            f"GET /socket.io/ HTTP/1.1\r\nHost: {portal.domain}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        for word in (b"ping", b"pong"):
            stream.sendall(word)
            assert stream.recv(64) == word.upper()


def test_a_body_may_be_as_large_as_configured_and_no_larger(site: Site):
    deploy(site)
    assert status_of_upload(site, MB) == 200
    assert status_of_upload(site, MB + 1) == 413


def test_a_change_reloads_and_a_stream_under_way_survives_it(
    make_site: MakeSite, site: Site, go_on: threading.Event
):
    deploy(site)
    master, workers = pids(site)
    with client(site) as http_client, http_client.stream("GET", "/stream") as answer:
        events = answer.iter_lines()
        assert next(events) == "data: one"
        changes = deploy(make_site(body_size_mb=2))
        assert [change.what for change in changes] == ["rewrite dify.conf", "reload nginx"]
        assert "client_max_body_size 2m" in changes[0].after
        assert pids(site)[0] == master
        assert pids(site)[1].isdisjoint(workers)
        go_on.set()
        assert [line for line in events if line] == ["data: two"]
    assert status_of_upload(site, MB + 1) == 200


def test_another_domain_gets_a_certificate_and_is_served(make_site: MakeSite, site: Site):
    deploy(site)
    master, _ = pids(site)
    moved = make_site(domain="moved.test")
    changed = [change.what for change in deploy(moved)]
    assert changed == ["issue the certificate of moved.test", "rewrite dify.conf", "reload nginx"]
    assert pids(site)[0] == master
    with client(moved) as http_client:
        assert http_client.get("/").status_code == 200
    assert deploy(moved) == []


def test_an_address_instead_of_a_domain_is_served_with_a_certificate_for_it(
    make_site: MakeSite, site: Site
):
    deploy(site)
    moved = make_site(domain="127.0.0.1")
    changes = deploy(moved)
    assert "issue the certificate of 127.0.0.1" in [change.what for change in changes]
    with client(moved) as http_client:
        assert http_client.get("/").status_code == 200
    assert deploy(moved) == []


def test_a_certificate_of_the_operators_is_served_and_followed(
    make_site: MakeSite, site: Site, tmp_path: Path
):
    authority = sign("company")
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"

    def renew(domain: str) -> None:
        signed = sign("wildcard", authority, domain)
        certificate.write_bytes(signed.pem + authority.pem)
        key.write_bytes(signed.key())

    given = make_site(domain="dify.in.test", certificate=str(certificate), key=str(key))
    with pytest.raises(StepError, match="the certificate is not there"):
        deploy(given)
    renew("*.in.test")
    assert "issue the certificate of dify.in.test" not in [change.what for change in deploy(given)]
    assert deploy(given) == []
    assert 29 < days_left(given) < 30
    renew("dify.in.test")
    assert [change.what for change in deploy(given)] == ["reload nginx"]
    renew("other.test")
    with pytest.raises(StepError, match=r"is for other\.test, not for dify\.in\.test"):
        deploy(given)


def test_a_broken_file_of_somebody_else_stops_the_change_and_not_the_portal(
    make_site: MakeSite, site: Site
):
    deploy(site)
    processes = pids(site)
    ours = nginx.folder(site) / "conf.d" / "dify.conf"
    before, theirs = ours.read_bytes(), ours.with_name("my.conf")
    theirs.write_text("# mine\nserver { prox_pass x; }\n")
    with pytest.raises(StepError) as refused:
        deploy(make_site(body_size_mb=2))
    assert f'{theirs}:2: unknown directive "prox_pass"' in str(refused.value)
    assert "the old portal keeps serving" in str(refused.value)
    assert ours.read_bytes() == before
    assert pids(site) == processes
    assert status_of_upload(site, MB + 1) == 413
    theirs.unlink()
    deploy(make_site(body_size_mb=2))
    assert status_of_upload(site, MB + 1) == 200


def test_a_broken_file_of_somebody_else_is_named_at_the_first_start(site: Site):
    folder = nginx.folder(site) / "conf.d"
    folder.mkdir(parents=True)
    (folder / "my.conf").write_text("nonsense;\n")
    with pytest.raises(StepError, match=r"my\.conf:1: unknown directive") as refused:
        deploy(site)
    assert "keeps serving" not in str(refused.value)
    (folder / "my.conf").unlink()
    assert deploy(site)[-1].what == "start nginx"


def test_a_port_taken_before_the_first_start_is_named_with_its_holder(make_site: MakeSite):
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        with pytest.raises(StepError, match=rf"port {port} .* is taken by .*\(pid {os.getpid()}\)"):
            deploy(make_site(http_port=port))
    assert deploy(make_site())[-1].what == "start nginx"


def test_a_directory_may_have_a_space_in_its_name(make_site: MakeSite):
    with tempfile.TemporaryDirectory(prefix="my sandbox ") as folder:
        Path(folder).chmod(0o755)
        site = changed(make_site(), "sandbox", home=Path(folder) / "home")
        try:
            assert deploy(site)[-1].what == "start nginx"
            assert deploy(site) == []
            assert " " in str(nginx.folder(site))
        finally:
            nginx.stop(site)


def test_a_port_taken_meanwhile_stops_the_change_and_not_the_portal(
    make_site: MakeSite, site: Site
):
    deploy(site)
    before = files(site)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(StepError, match="Address already in use"):
            deploy(make_site(https_port=port))
        with client(site) as http_client:
            assert http_client.get("/").status_code == 200
    assert {p: text for p, (_, text) in files(site).items() if "previous" not in p} == {
        p: text for p, (_, text) in before.items()
    }
    deploy(site)
    assert deploy(site) == []


@pytest.mark.parametrize("done", [0, 1, 2])
def test_killed_after_any_change_the_next_run_finishes(make_site: MakeSite, site: Site, done: int):
    """A kill of the deploying process between two changes leaves exactly this behind."""
    deploy(site)
    changed = make_site(body_size_mb=2, domain="moved.test")
    *_, authority, portal, _ = PARTS["portal"](changed)
    todo = [(authority, c) for c in authority.plan(authority.observe())]
    todo += [(portal, c) for c in portal.plan(portal.observe())][:-1]
    for step, change in todo[:done]:
        step.apply(change)
    assert deploy(changed)[-1].what == "reload nginx"
    assert deploy(changed) == []
    assert status_of_upload(changed, MB + 1) == 200


@pytest.mark.parametrize("whom", ["everything", "master", "workers"])
def test_survives_kill_9(site: Site, whom: str):
    deploy(site)
    master, workers = pids(site)
    victims = {"everything": {master, *workers}, "master": {master}, "workers": workers}[whom]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    deploy(site)
    with client(site) as http_client:
        assert http_client.get("/").status_code == 200
    assert (pids(site)[0] == master) == (whom == "workers")
    assert pids(site)[1].isdisjoint(workers)
    assert deploy(site) == []


def test_stop_leaves_nothing_and_only_of_this_sandbox(make_site: MakeSite, site: Site):
    other = make_site("two")
    deploy(site)
    deploy(other)
    kept = pids(other)
    nginx.stop(site)
    assert nginx.running(nginx.folder(site)) is None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", site.environment.portal.https_port)) != 0
    assert pids(other) == kept
    nginx.stop(site)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")
def test_workers_are_not_root(site: Site):
    deploy(site)
    for pid in pids(site)[1]:
        assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_elsewhere_than_in_the_sandbox_the_portal_is_not_ours(make_site: MakeSite):
    assert PARTS["portal"](changed(make_site(), "platform", kind="external")) == []
