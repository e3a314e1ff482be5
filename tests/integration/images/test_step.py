"""Images from a real registry and real archives, on the real engine."""

import gzip
import io
import tarfile
import time
import uuid
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from clients.docker import Docker
from clients.docker_objects import Image
from config.errors import StepError
from config.load import load_environment, load_release
from tasks.core import release_file
from tasks.core.retries import Attempts
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.images import held
from tasks.images.image_file import load_archive
from tasks.images.pull import pull
from tasks.images.stand_ins import LABEL
from tasks.probes.connections.registries import moved_tags
from tasks.steps.images import Images, answers

SETTINGS = load_environment("sandbox").images


def make(docker: Docker, reference: str) -> str:
    """A tiny image of random content under this name; its id."""
    content, tree = uuid.uuid4().bytes * 1000, io.BytesIO()
    with tarfile.open(fileobj=tree, mode="w") as archive:
        entry = tarfile.TarInfo("data")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    name, _, tag = reference.rpartition(":")
    tree.seek(0)
    docker.import_filesystem(tree, name, tag)
    made = docker.image(reference)
    assert made
    return made.id


def forget(docker: Docker, *references: str) -> None:
    for reference in references:
        if docker.image(reference):
            docker.client.images.remove(reference, force=True)


@pytest.fixture
def pushed(docker: Docker, registry: str) -> Generator[tuple[str, str]]:
    """Reference and id of an image that is in the registry and not in the engine."""
    reference = f"{registry}/org/thing:{uuid.uuid4().hex[:8]}"
    identity = make(docker, reference)
    docker.client.images.push(reference)
    forget(docker, reference)
    assert docker.image(reference) is None
    yield reference, identity
    forget(docker, reference)


def test_what_the_registry_has_is_pulled(docker: Docker, pushed: tuple[str, str]) -> None:
    reference, identity = pushed
    pull(docker, [reference], SETTINGS, {})
    found = docker.image(reference)
    assert found
    assert found.id == identity


def test_a_missing_tag_is_said_at_once_and_not_tried_again(docker: Docker, registry: str) -> None:
    attempts, began = Attempts(5, 2.0, 2.0), time.monotonic()
    with pytest.raises(StepError) as caught:
        pull(docker, [f"{registry}/org/thing:none"], SETTINGS, {}, attempts)
    assert f"{registry}/org/thing:none: the registry has no such image or tag" in str(caught.value)
    assert time.monotonic() - began < attempts.first_s / 2


def test_a_registry_that_is_away_is_tried_again_and_then_named(
    docker: Docker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rollout")
    with pytest.raises(StepError, match=r"(?s)cannot be reached.* 3 times in 0 s"):
        pull(docker, ["127.0.0.1:9/org/thing:1"], SETTINGS, {}, Attempts(3, 0.01, 0.01))
    assert [line for line in caplog.messages if line.startswith("attempt ")] == [
        f"attempt {number} of 3 in 0 s: 127.0.0.1:9/org/thing:1: the registry cannot be reached or "
        "does not manage to answer"
        for number in (2, 3)
    ]


def test_whether_a_registry_answers(registry: str) -> None:
    assert answers(registry, 5)
    assert not answers("127.0.0.1:9", 5)
    assert httpx.get(f"http://{registry}/v2/").status_code == 200


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_is_loaded_plain_or_compressed(
    docker: Docker, tmp_path: Path, packed: bool
) -> None:
    reference = f"rollout-test/thing:{uuid.uuid4().hex[:8]}"
    identity = make(docker, reference)
    archive = save(docker, tmp_path, reference, packed=packed)
    forget(docker, reference)
    load_archive(docker, archive, [reference])
    found = docker.image(reference)
    assert found
    assert found.id == identity
    forget(docker, reference)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is broken or not made by docker save"),
        (lambda _: b"not an archive" * 100, "is broken or not made by docker save"),
        (lambda data: data[:40] + b"\xff" * 40 + data[80:], "is broken or not made by docker save"),
    ],
)
def test_a_broken_archive_is_refused_by_name(
    docker: Docker, tmp_path: Path, damage, sentence: str
) -> None:
    reference = f"rollout-test/thing:{uuid.uuid4().hex[:8]}"
    make(docker, reference)
    archive = save(docker, tmp_path, reference, packed=True)
    forget(docker, reference)
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(StepError, match=sentence) as caught:
        load_archive(docker, archive, [reference])
    assert str(archive) in str(caught.value)
    assert docker.image(reference) is None


def test_an_archive_without_a_wanted_image_says_which(docker: Docker, tmp_path: Path) -> None:
    reference = f"rollout-test/thing:{uuid.uuid4().hex[:8]}"
    make(docker, reference)
    archive = save(docker, tmp_path, reference, packed=False)
    with pytest.raises(StepError, match=r"does not hold rollout-test/other:1"):
        load_archive(docker, archive, [reference, "rollout-test/other:1"])
    forget(docker, reference)


def test_no_archive_is_no_traceback(docker: Docker, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="no file"):
        load_archive(docker, tmp_path / "none.tar", [])


def test_the_step_pulls_what_is_missing_and_then_rests(docker: Docker, registry: str) -> None:
    site = site_of(docker, registry, source="registry")
    references = list(site.release.images.values())
    first = converge(Images(site))
    assert len(first.changes) == 3
    assert all(docker.image(reference) for reference in references)
    assert converge(Images(site)).changes == ()
    forget(docker, *references)


def test_a_rehearsal_does_not_serve_where_real_images_are_wanted(
    docker: Docker, registry: str
) -> None:
    site = site_of(docker, registry, source="registry")
    reference = site.release.images["api"]
    docker.client.images.build(
        fileobj=io.BytesIO(b"FROM scratch\nLABEL dify-rollout.rehearsal=true\n"), tag=reference
    )
    planned = {c.what: c.before for c in converge(Images(site), dry_run=True).changes}
    assert planned[f"get {reference}"] == "rehearsal"
    forget(docker, reference)


def test_what_a_tag_meant_at_the_first_pull_is_held(
    docker: Docker, registry: str, tmp_path: Path
) -> None:
    site = site_of(docker, registry, source="registry")
    dify = site.environment.dify.model_copy(update={"home": tmp_path})
    site = Site(site.environment.model_copy(update={"dify": dify}), site.release, {})
    references = dict(site.release.images)
    converge(Images(site))
    present = Images(site).observe().present
    release_file.update(site.environment, site.node, held=held.learned(present, {}))
    first = {reference: image.id for reference, image in present.items()}

    make(docker, references["nginx"])
    docker.client.images.push(references["nginx"])
    said = str(moved_tags(site)[0].ask())
    assert f"{references['nginx']} is sha256:" in said and "is held; to take it: digests." in said
    assert references["api"] not in said

    forget(docker, *references.values())
    converge(Images(site))
    again = Images(site).observe().present
    assert {reference: image.id for reference, image in again.items()} == first

    newer = site.release.model_copy(
        update={"digests": {"nginx": said.split(" is ")[1].split(" ", maxsplit=1)[0]}}
    )
    taken = Site(site.environment, newer, {})
    assert [change.what for change in converge(Images(taken)).changes] == [
        f"get {references['nginx']}"
    ]
    assert docker.image(references["nginx"]).id != first[references["nginx"]]
    forget(docker, *references.values())


def test_a_stand_in_is_not_held() -> None:
    real = Image("sha256:1", {}, digests=("sha256:a",))
    stand_in = Image("sha256:2", {LABEL: "true"}, digests=("sha256:b",))
    loaded = Image("sha256:3", {})
    found = {"x:1": real, "y:1": stand_in, "z:1": loaded}
    assert held.learned(found, {"w:1": "sha256:w"}) == {"x:1": "sha256:a", "w:1": "sha256:w"}
    assert held.learned({"x:1": real}, {"x:1": "sha256:old"}) == {"x:1": "sha256:old"}


def site_of(docker: Docker, registry: str, *, source: str) -> Site:
    """The 0.6.11 stack with images of this test's registry, none of them in the engine."""
    environment, release = load_environment("sandbox"), load_release("0.6.11")
    config = environment.images.model_copy(update={"source": source})
    environment = environment.model_copy(
        update={
            "images": config,
            "dify": environment.dify.model_copy(update={"services": [], "release": "0.6.11"}),
        }
    )
    tag = uuid.uuid4().hex[:8]
    names = {role: f"{registry}/test/{role}:{tag}" for role in ("api", "web", "nginx")}
    for reference in names.values():
        make(docker, reference)
        docker.client.images.push(reference)
        forget(docker, reference)
    release = release.model_copy(update={"images": release.images | names})
    wanted = {role: image for role, image in release.images.items() if role in names}
    return Site(environment, release.model_copy(update={"images": wanted}), {})


def save(docker: Docker, folder: Path, reference: str, *, packed: bool) -> Path:
    data = b"".join(docker.client.images.get(reference).save(named=True))
    path = folder / ("image.tar.gz" if packed else "image.tar")
    path.write_bytes(gzip.compress(data) if packed else data)
    return path
