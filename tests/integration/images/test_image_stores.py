"""Bundles of engines with either image store: Docker's older one, and containerd's."""

import hashlib
import io
import json
import random
import tarfile
import uuid
from pathlib import Path

import pytest
import zstandard

from clients.docker import Docker
from config.errors import StepError
from tasks.images import bundle_loader as load
from tasks.images import bundle_proof, bundle_reader, bundle_writer
from tasks.images.image_file import load_archive
from tasks.tools.bundle import config_part, layer_part
from tests.integration.images.conftest import Maker, layer
from tests.unit.tasks.images.bundles import DIFF, IMAGE, LAYER, entries, packed

OCI = "application/vnd.oci.image"
Layers = dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def names() -> list[str]:
    tag = uuid.uuid4().hex[:8]
    return [f"rollout-test/{name}:{tag}" for name in ("api", "small", "again")]


def made(docker: Docker, folder: Path, names: list[str]) -> Layers:
    """Images on a common base, one with a layer of next to nothing, one with two names."""
    api, small, again = names
    make = Maker(docker, folder)
    base = f"rollout-test/base:{uuid.uuid4().hex[:8]}"
    make(base, [400_000])
    make(api, [50_000, 60_000], base)
    make(small, [0], base)
    docker.tag(api, *again.split(":"))
    return layers(docker, names)


def layers(docker: Docker, names: list[str]) -> Layers:
    found = {name: docker.image(name) for name in names}
    return {name: image.layers for name, image in found.items() if image}


def empty(docker: Docker) -> Docker:
    for image in docker.images():
        docker.forget(image)
    return docker


@pytest.fixture(scope="module")
def engines(second, newer) -> dict[str, Docker]:
    return {"older": second.docker, "containerd": newer.docker}


@pytest.mark.parametrize("there", ["older", "containerd"])
@pytest.mark.parametrize("here", ["older", "containerd"])
def test_what_one_store_bundles_either_loads(engines, names, tmp_path, here, there) -> None:
    source, target = empty(engines[here]), engines[there]
    images, path = made(source, tmp_path, names), tmp_path / "dify.bundle"
    contents = bundle_writer.write(source, names, path, environment="e", release="r")
    assert {image.reference: tuple(image.layers) for image in contents.images} == images
    bundle_proof.prove(bundle_reader.opened(path))
    empty(target)
    opened = bundle_reader.opened(path)
    assert load.load(opened, {there: target}) == {there: names}
    assert layers(target, names) == images
    assert load.is_loaded(opened, target)
    assert load.load(opened, {there: target}) == {there: []}


@pytest.mark.parametrize("there", ["older", "containerd"])
def test_the_file_serves_as_images_archive_and_for_docker_itself(
    engines, names, tmp_path, there
) -> None:
    source, path = empty(engines["containerd"]), tmp_path / "dify.bundle"
    images = made(source, tmp_path, names)
    bundle_writer.write(source, names, path, environment="e", release="r")
    load_archive(empty(engines[there]), path, names)
    assert layers(engines[there], names) == images
    if there == "containerd":
        with path.open("rb") as file:
            empty(engines[there]).load(file)
        assert layers(engines[there], names) == images


@pytest.mark.parametrize(("here", "there"), [("older", "containerd"), ("containerd", "older")])
def test_a_node_sends_to_one_with_the_other_store(engines, names, tmp_path, here, there) -> None:
    source, target = empty(engines[here]), empty(engines[there])
    images = made(source, tmp_path, names)
    with source.saved(names) as archive:
        target.load(archive)
    assert layers(target, names) == images


def test_an_image_in_use_is_known_as_such(engines, names, tmp_path) -> None:
    docker = empty(engines["containerd"])
    loaded_with_index(docker, names[0])
    Maker(docker, tmp_path)(names[1], [1000])
    for name in names[:2]:
        docker.client.api.create_container(name, ["none"], name=name.split("/")[1].split(":")[0])
    used = docker.images_in_use()
    found = [docker.image(name) for name in names[:2]]
    for container in docker.client.api.containers(all=True):
        docker.remove(container["Id"])
    assert {image.id for image in found if image} == used


def test_an_image_with_an_index_and_its_provenance(engines, names, tmp_path) -> None:
    """What BuildKit pushes, and so what a pull brings: a list of platforms, one of them a note."""
    source, path = empty(engines["containerd"]), tmp_path / "dify.bundle"
    name, diff = names[0], loaded_with_index(source, names[0])
    [image] = bundle_writer.write(source, [name], path, environment="e", release="r").images
    assert image.layers == [diff]
    bundle_proof.prove(bundle_reader.opened(path))
    load.load(bundle_reader.opened(path), {"older": empty(engines["older"])})
    assert layers(engines["older"], [name]) == {name: (diff,)}


@pytest.mark.parametrize("there", ["older", "containerd"])
@pytest.mark.parametrize(
    "hostile",
    [
        {"part": {"raw": 10_000}},
        {"parts": {layer_part(DIFF): b"not zstd"}},
        {"parts": {layer_part(DIFF): zstandard.compress(b"y" * len(LAYER))}},
        {"parts": {config_part(IMAGE["id"]): b"{}"}},
    ],
    ids=["a wrong size", "not packed", "another layer", "another configuration"],
)
def test_an_engine_gets_nothing_of_a_hostile_one(engines, tmp_path, hostile, there) -> None:
    target, path = empty(engines[there]), tmp_path / "hostile"
    path.write_bytes(packed(entries(**hostile)))
    with pytest.raises(StepError) as refused:
        load.load(bundle_reader.opened(path), {there: target})
    assert refused.value.cause.isprintable()
    assert target.images() == []


@pytest.mark.parametrize("there", ["older", "containerd"])
def test_what_does_not_fit_is_not_begun(engines, tmp_path, there) -> None:
    target, path = empty(engines[there]), tmp_path / "huge"
    path.write_bytes(packed(entries(part={"raw": 1 << 49})))
    with pytest.raises(StepError, match=rf"loading on there needs {1 << 50} bytes, .* free"):
        load.load(bundle_reader.opened(path), {"there": target})
    assert target.images() == []


def loaded_with_index(docker: Docker, name: str) -> str:
    """Loads an OCI layout under this name; its one layer."""
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes, **more: object) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        blobs[f"blobs/{digest.replace(':', '/')}"] = content
        return {"mediaType": kind, "digest": digest, "size": len(content), **more}

    def manifest(config: dict, kind: str, content: bytes, **more: object) -> dict[str, object]:
        document = {
            "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
            "config": blob(f"{OCI}.config.v1+json", json.dumps(config).encode()),
            "layers": [blob(kind, content)],
        }  # fmt: skip
        return blob(document["mediaType"], json.dumps(document).encode(), **more)

    tree = layer(30_000, random.randrange(1 << 30))
    diff = f"sha256:{hashlib.sha256(tree).hexdigest()}"
    here = {"architecture": docker.client.version()["Arch"], "os": "linux"}
    rootfs = {"type": "layers", "diff_ids": [diff]}
    real = manifest({**here, "rootfs": rootfs}, f"{OCI}.layer.v1.tar", tree, platform=here)
    note = manifest(
        {"architecture": "unknown", "os": "unknown", "rootfs": {**rootfs, "diff_ids": []}},
        "application/vnd.in-toto+json", b'{"_type": "statement"}' + b" " * 5000,
        platform={"architecture": "unknown", "os": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest",
                     "vnd.docker.reference.digest": real["digest"]},
    )  # fmt: skip
    elsewhere = {**real, "digest": f"sha256:{'1' * 64}", "platform": {**here, "os": "plan9"}}
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json",
             "manifests": [elsewhere, real, note]}  # fmt: skip
    listed = blob(index["mediaType"], json.dumps(index).encode(),
                  annotations={"io.containerd.image.name": f"docker.io/{name}"})  # fmt: skip
    layout = {"schemaVersion": 2, "manifests": [listed]}
    files = {**blobs, "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
             "index.json": json.dumps(layout).encode()}  # fmt: skip
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    docker.load(io.BytesIO(stream.getvalue()))
    return diff
