"""Bundles written from one engine and loaded into another; damaged, foreign, cut short."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path

import pytest

from config.errors import StepError
from config.load import ROOT
from tasks.core.progress import Moved, watched_by
from tasks.images import added_files, bundle_proof, bundle_reader, bundle_writer
from tasks.images import bundle_loader as load
from tasks.images.image_file import load_archive

TIMES = 100
# An id; with containerd's store, whose id is that of a manifest an engine wrote, the layers.
Identity = str | tuple[str, ...]


@pytest.fixture(scope="module")
def images(docker, make_once) -> dict[str, Identity]:
    """Reference → identity: two images on a common base, a third of its own."""
    base, tag = f"rollout-test/base:{uuid.uuid4().hex[:8]}", uuid.uuid4().hex[:8]
    api, web, other = (f"rollout-test/{name}:{tag}" for name in ("api", "web", "other"))
    make_once(base, [400_000])
    made = {
        api: make_once(api, [50_000, 60_000], base),
        web: make_once(web, [70_000], base),
        other: make_once(other, [300_000]),
    }
    return made if docker.shares_layers() else {name: docker.image(name).layers for name in made}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plugins") / "some.difypkg"
    path.write_bytes(os.urandom(10_000))
    return path


@pytest.fixture(scope="module")
def written(docker, images, plugin, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "dify.bundle"
    bundle_writer.write(docker, list(images), path, environment="prod", release="1.15.0",
                         extra=[plugin])  # fmt: skip
    return path


@pytest.fixture
def empty(second):
    """The second engine without any image."""
    for image in second.docker.images():
        second.docker.forget(image)
    return second.docker


def sent(path: Path, docker) -> int:
    """Bytes that a load of the bundle unpacks for the engine."""
    events: list[Moved] = []
    with watched_by(events.append):
        load.load(bundle_reader.opened(path), {"second": docker})
    last = {e.part: e.done for e in events if isinstance(e, Moved) and e.what == "to second"}
    return sum(last.values())


def ids(docker, images) -> dict[str, Identity]:
    found = {reference: docker.image(reference) for reference in images}
    return {name: same(image, images[name]) for name, image in found.items() if image}


def same(image, known: Identity) -> Identity:
    """What of the image is compared with what is known of it."""
    return image.id if isinstance(known, str) else tuple(image.layers)


def test_what_is_bundled_here_is_loaded_there(written, images, empty) -> None:
    assert sent(written, empty) > 800_000
    assert ids(empty, images) == images


def test_the_second_load_moves_nothing_and_takes_no_time(written, images, empty) -> None:
    assert not load.is_loaded(bundle_reader.opened(written), empty)
    load.load(bundle_reader.opened(written), {"second": empty})
    began = time.monotonic()
    assert load.is_loaded(bundle_reader.opened(written), empty)
    assert sent(written, empty) == 0
    assert time.monotonic() - began < 5


def test_a_lost_name_is_given_again_without_sending_anything(written, images, empty) -> None:
    load.load(bundle_reader.opened(written), {"second": empty})
    reference = next(iter(images))
    empty.tag(reference, "kept", "1")
    empty.client.api.remove_image(reference)
    assert not load.is_loaded(bundle_reader.opened(written), empty)
    assert sent(written, empty) == 0
    assert ids(empty, images) == images


def test_only_layers_that_are_missing_are_sent(written, images, empty) -> None:
    load.load(bundle_reader.opened(written), {"second": empty})
    web = list(images)[1]
    empty.forget(empty.image(web))
    assert 70_000 < sent(written, empty) < 80_000
    assert ids(empty, images) == images


def test_each_layer_is_there_once(written, images) -> None:
    contents = bundle_reader.opened(written).contents
    layers = [part for part in contents.parts if part.name.startswith("layers/")]
    assert len(layers) == len({part.sha256 for part in layers}) == 5
    assert sum(len(image.layers) for image in contents.images) == 6
    found = {image.reference: same(image, images[image.reference]) for image in contents.images}
    assert found == images


def test_extra_files_travel_along(written, plugin, tmp_path) -> None:
    extracted = added_files.extract(bundle_reader.opened(written), tmp_path / "extra")
    assert [path.name for path in extracted] == ["some.difypkg"]
    assert extracted[0].read_bytes() == plugin.read_bytes()


def test_several_engines_are_loaded_at_once(written, images, empty, docker) -> None:
    loaded = load.load(bundle_reader.opened(written), {"first": docker, "second": empty})
    assert loaded == {"first": [], "second": list(images)}
    assert ids(empty, images) == images


def test_a_bundle_serves_as_images_archive(written, images, empty) -> None:
    load_archive(empty, written, list(images))
    assert ids(empty, images) == images
    with pytest.raises(StepError, match="does not hold rollout-test/none:1"):
        load_archive(empty, written, ["rollout-test/none:1"])


def test_a_byte_changed_anywhere_is_found_before_anything_is_loaded(
    written, images, empty, tmp_path
) -> None:
    whole, chance = bytearray(written.read_bytes()), random.Random(7)
    parts = {entry.name: entry for entry in bundle_reader.opened(written).entries.values()}
    for at in sorted(chance.sample(range(len(whole)), TIMES)):
        path = tmp_path / "damaged"
        path.write_bytes(
            whole[:at] + bytes([whole[at] ^ chance.randrange(1, 256)]) + whole[at + 1 :]
        )
        with pytest.raises(StepError) as refused:
            load.load(bundle_reader.opened(path), {"second": empty})
        assert str(path) in str(refused.value)
        inside = [n for n, e in parts.items() if e.offset <= at < e.offset + e.size]
        if inside:
            assert inside[0] in str(refused.value), at
    assert empty.images() == []


def test_a_truncated_bundle_says_where_it_ends(written, empty, tmp_path) -> None:
    whole, chance = written.read_bytes(), random.Random(8)
    for at in chance.sample(range(len(whole)), TIMES):
        path = tmp_path / "short"
        path.write_bytes(whole[:at])
        with pytest.raises(StepError, match="damaged or no bundle"):
            load.load(bundle_reader.opened(path), {"second": empty})
    assert empty.images() == []


def test_small_parts_are_named_too(written, empty, tmp_path) -> None:
    """A random place seldom hits them."""
    whole = written.read_bytes()
    for name, entry in bundle_reader.opened(written).entries.items():
        for at in (entry.offset - 400, entry.offset, entry.offset + entry.size - 1):
            path = tmp_path / "damaged"
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(StepError) as refused:
                load.load(bundle_reader.opened(path), {"second": empty})
            if at >= entry.offset:
                assert name in str(refused.value)
    assert empty.images() == []


@pytest.mark.parametrize("kind", ["docker save", "another tar", "noise", "nothing"])
def test_a_foreign_file_is_refused(docker, images, empty, tmp_path, kind) -> None:
    path = tmp_path / "foreign"
    if kind == "docker save":
        with docker.saved(list(images)) as stream:
            path.write_bytes(stream.read())
    elif kind == "another tar":
        with tarfile.open(path, "w") as archive:
            archive.add(ROOT / "README.md", "README")
    else:
        path.write_bytes(b"\x00\xffx" * 5000 if kind == "noise" else b"")
    with pytest.raises(StepError, match="is damaged or no bundle"):
        load.load(bundle_reader.opened(path), {"second": empty})
    assert empty.images() == []


def test_no_file_is_no_traceback(tmp_path) -> None:
    with pytest.raises(StepError, match="no file"):
        bundle_reader.opened(tmp_path / "none")


def test_the_documented_lines_open_a_bundle(written, images, empty, second, tmp_path) -> None:
    text = (ROOT / "docs/images.md").read_text()
    lines = re.search(r"a test runs these lines -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert lines
    (tmp_path / "dify.bundle").symlink_to(written)
    env = {**os.environ, "DOCKER_HOST": second.node.docker_url()}
    subprocess.run(["sh", "-e", "-c", lines[1]], cwd=tmp_path, env=env, check=True)
    assert ids(empty, images) == images


def test_a_bundle_is_an_archive_of_docker_itself(written, images) -> None:
    """What newer engines and other tools rely on."""
    with tarfile.open(written) as archive:
        for described in json.load(archive.extractfile("manifest.json")):
            config = archive.extractfile(described["Config"]).read()
            known = images[described["RepoTags"][0]]
            found = {
                str: f"sha256:{hashlib.sha256(config).hexdigest()}",
                tuple: tuple(json.loads(config)["rootfs"]["diff_ids"]),
            }
            assert found[type(known)] == known
            assert all(archive.getmember(layer).size for layer in described["Layers"])


KILLED = """
import sys
from pathlib import Path
from clients.docker import Docker
from clients.node import LocalNode
from tasks.images import bundle_loader, bundle_reader, bundle_writer
from tasks.core.progress import watched_by
import time
class Node(LocalNode):
    def docker_url(self): return sys.argv[3]
with watched_by(lambda event: (print(event, flush=True), time.sleep(0.3))):
    if sys.argv[1] == "load":
        bundle_loader.load(bundle_reader.opened(Path(sys.argv[2])), {"second": Docker(Node())})
    else:
        bundle_writer.write(Docker(), sys.argv[4:], Path(sys.argv[2]), environment="e", release="r")
"""


def killed(*words: str, after: str) -> None:
    """Run until a line says `after`, then kill -9."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if after in line:
                process.send_signal(signal.SIGKILL)
                return
    raise AssertionError(f"ended without {after!r}")


def test_a_killed_load_is_finished_by_the_next(written, images, empty, second) -> None:
    killed("load", str(written), second.node.docker_url(), after="to second")
    load.load(bundle_reader.opened(written), {"second": empty})
    assert ids(empty, images) == images


def test_a_killed_bundle_leaves_the_old_file_and_is_written_anew(
    docker, images, second, tmp_path
) -> None:
    path = tmp_path / "dify.bundle"
    path.write_bytes(b"the one before")
    killed("bundle", str(path), "", *images, after="bundle")
    assert path.read_bytes() == b"the one before"
    bundle_writer.write(docker, list(images), path, environment="e", release="r")
    bundle_proof.verify(bundle_reader.opened(path))
    assert [each.name for each in tmp_path.iterdir()] == ["dify.bundle"]


def test_extra_names_must_not_collide(docker, images, plugin, tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / plugin.name).write_bytes(b"x")
    with pytest.raises(StepError, match="share a name"):
        bundle_writer.write(docker, list(images), tmp_path / "b", environment="e", release="r",
                     extra=[plugin, tmp_path / "a"])  # fmt: skip
    with pytest.raises(StepError, match="--extra: no file or folder"):
        bundle_writer.write(docker, list(images), tmp_path / "b", environment="e", release="r",
                     extra=[tmp_path / "none"])  # fmt: skip
