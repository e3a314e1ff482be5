"""A release file beside the stand-in images: what is changed in the file is what differs."""

import io
from typing import Any

import pytest

from config.errors import StepError
from config.release import Health, Service
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.images.release_check import differences
from tasks.steps.images import Images

REHEARSAL = "images.api: langgenius/dify-api:1.16.1 is a rehearsal image, and no image of Dify's"


@pytest.fixture(scope="module")
def site(module_sandbox_site: Any) -> Site:
    made: Site = module_sandbox_site(images={"source": "rehearsal"}, dify={"release": "1.16.1"})
    converge(Images(made))
    return made


def found(site: Site, api: dict[str, Any] | None = None, **release: Any) -> set[str]:
    """What differs of the API's service alone, with these keys of it and of the release."""
    service: Service = site.release.services["api"].model_copy(update=api or {})
    changed = site.release.model_copy(update={"services": {"api": service}, **release})
    return set(differences(site.replace(release=changed)))


@pytest.fixture(scope="module")
def known(site: Site) -> set[str]:
    """What a stand-in has otherwise than Dify's own image: fewer settings, revisions of its own."""
    return found(site)


def test_a_stand_in_is_no_real_image(known: set[str]) -> None:
    assert REHEARSAL in known
    assert {each.partition(":")[0] for each in known} == {
        "images.api", "services.api.environment", "migration.head",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ({"port": 5999}, "services.api.port: 5999 is not among those the image names: 5001"),
        ({"user": "0:0"}, "state.storage.owner: 1001, and api runs as uid 0"),
        ({"volumes": {"storage": "/nowhere"}}, "services.api.volumes: the image has no folder"),
        (
            {"volumes": {"storage": "/root"}},
            "state.storage.owner: 1001; in the image /root",
        ),
        ({"health": Health(command=["no-such"])}, "services.api: the image has no program no-such"),
        ({"entrypoint": ["/gone.sh"]}, "services.api: the image has no program /gone.sh"),
    ],
)
def test_what_the_file_says_otherwise_is_told(
    site: Site, known: set[str], api: dict[str, Any], said: str
) -> None:
    (new,) = found(site, api) - known
    assert new.startswith(said)


def test_a_setting_that_nothing_reads_is_told(site: Site, known: set[str]) -> None:
    more = {**site.release.services["api"].environment, "NO_SUCH_SETTING": "1"}
    (new,) = found(site, {"environment": more}) - known
    assert "NO_SUCH_SETTING" in new and "DB_HOST" not in new


def test_the_image_s_own_label_digest_and_volume_count(site: Site, known: set[str]) -> None:
    client: Any = site.docker.client
    text = (
        "FROM langgenius/dify-api:1.16.1\nLABEL org.opencontainers.image.version=1.16.2\n"
        "VOLUME /models\nHEALTHCHECK CMD true\n"
    )
    tag = "rollout-test/release-check:1.16.1"
    client.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True)
    pin = f"sha256:{'1' * 64}"
    try:
        images = {**site.release.images, "api": tag}
        new = found(site, {"health": None}, images=images, digests={"api": pin}) - known
        # containerd's image store gives one that is built here a digest, too.
        built = site.docker.image(tag)
        known_as = ", ".join(built.digests if built else ()) or "of no registry"
    finally:
        client.images.remove(tag, force=True)
    assert {each.partition(": ")[2] for each in new} >= {
        f"{tag} says of itself that it is 1.16.2",
        f"{tag} is {known_as}; the file pins {pin}",
        "the image keeps data in /models; the file mounts nothing there",
        "the image brings a health check; the file has none",
    }


def test_an_image_that_is_not_here_is_asked_for(site: Site) -> None:
    images = {**site.release.images, "api": "langgenius/dify-api:none"}
    with pytest.raises(StepError, match="dify-api:none is not on local"):
        found(site, images=images)
