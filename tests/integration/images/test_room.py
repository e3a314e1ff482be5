"""What preflight knows of the disk that missing images need, from real registries and bundles."""

import http.server
import json
import threading
import uuid

import pytest
from pydantic import SecretStr

from blocks.login import Login
from clients.registry import packed_size
from config.load import load_environment, load_release
from config.rules.finding import Status
from config.rules.sources import sources
from tasks.core.site import Site
from tasks.images import bundle_writer
from tasks.images.disk_space import PER_PACKED_BYTE, room
from tasks.images.load_space import PER_LOADED_BYTE

LAYERS = [300_000, 700_000]
FREE = 10**12


@pytest.fixture
def pushed(registry, make) -> str:
    """A name in the registry that the engine does not have."""
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    make(f"{registry}/{name}", LAYERS)
    make.push(f"{registry}/{name}")
    make.forget(f"{registry}/{name}")
    return name


def site_of(reference: str, **images: object) -> Site:
    environment, release = load_environment("sandbox"), load_release("0.6.11")
    config = environment.images.model_copy(update=images)
    dify = environment.dify.model_copy(update={"services": []})
    services = {"api": release.services["api"]}
    return Site(
        environment.model_copy(update={"images": config, "dify": dify}),
        release.model_copy(update={"images": {"api": reference}, "services": services}),
        {},
    )


def test_a_registry_says_how_large_an_image_is(registry, pushed) -> None:
    [found] = room(site_of(pushed, source="registry", registries=[registry]), FREE, "x86_64")
    needed = PER_PACKED_BYTE * sum(LAYERS) / 1e9
    assert (found.status, found.said) == (
        Status.OK, f"1 to get need about {needed:.1f} GB, free are 1000.0 GB",
    )  # fmt: skip
    [refused] = room(site_of(pushed, source="registry", registries=[registry]), 1000, "x86_64")
    assert refused.status is Status.FAIL
    assert refused.advice == "free some: rollout images prune sandbox"


def test_a_pinned_image_is_asked_for_by_digest(registry, make) -> None:
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    make(f"{registry}/{name}", LAYERS)
    digest = make.push(f"{registry}/{name}")
    [right], [wrong] = (sources(name, pin, [registry]) for pin in (digest, "sha256:" + "0" * 64))
    assert packed_size(right, None, "amd64", 5) is not None
    assert packed_size(wrong, None, "amd64", 5) is None


def test_a_bundle_says_it_exactly(docker, make, tmp_path) -> None:
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    make(name, LAYERS)
    path = tmp_path / "bundle"
    contents = bundle_writer.write(docker, [name], path, environment="e", release="r")
    make.forget(name)
    raw = sum(part.raw for part in contents.parts if part.name.startswith("layers/"))
    site = site_of(name, source="archive", archive=str(path))
    assert room(site, PER_LOADED_BYTE * raw, "x86_64")[0].status is Status.OK
    assert room(site, PER_LOADED_BYTE * raw - 1, "x86_64")[0].status is Status.FAIL


def test_what_nobody_knows_is_no_obstacle(pushed) -> None:
    [found] = room(site_of(pushed, source="registry", registries=["127.0.0.1:9"]), 0, "x86_64")
    assert (found.status, found.said) == (
        Status.OK, "1 to get; how large they are is not known before",
    )  # fmt: skip


def test_a_missing_archive_is(pushed, tmp_path) -> None:
    site = site_of(pushed, source="archive", archive=str(tmp_path / "none"))
    [found] = room(site, FREE, "x86_64")
    assert found.status is Status.FAIL
    assert found.said.startswith("images.archive: no file ")


def test_a_password_and_a_token_are_given_where_asked_for(registry, pushed, token_registry) -> None:
    login = Login(username="robot", password=SecretStr("s3cret word"))
    [source] = sources(pushed, None, [token_registry])
    size = packed_size(source, login, "amd64", 5)
    assert size is not None
    assert abs(size - sum(LAYERS)) < 20_000
    assert packed_size(source, None, "amd64", 5) is None


@pytest.fixture
def token_registry(registry) -> str:
    """The registry behind a door that wants a token, which wants a password, as Docker Hub does."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/token"):
                allowed = self.headers.get("Authorization", "").startswith("Basic cm9ib3Q6")
                self.say(200 if allowed else 401, {"token": "abc"})
            elif self.headers.get("Authorization") == "Bearer abc":
                self.send_response(307)
                self.send_header("Location", f"http://{registry}{self.path}")
                self.end_headers()
            else:
                self.say(401, {})

        def say(self, status: int, content: dict[str, str]) -> None:
            self.send_response(status)
            realm = f"http://127.0.0.1:{self.server.server_address[1]}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="s"')
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
