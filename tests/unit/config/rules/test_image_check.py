"""Each kind of difference between a release file and an image, as a sentence."""

from dataclasses import replace
from typing import Any

import pytest

from config.load import load_release
from config.release import Release
from config.rules.image_check import (
    Asked,
    ImageFacts,
    environment_of,
    of_image,
    of_schema,
    of_service,
    programs,
)

RELEASE = load_release("1.16.1")
API = RELEASE.services["api"]
OWNER = RELEASE.state[next(iter(API.volumes))].owner
PATH = next(iter(API.volumes.values()))
ASKED = Asked(
    uid=OWNER,
    programs=frozenset(programs(API)),
    owners=dict.fromkeys(API.volumes.values(), OWNER),
    named=frozenset(environment_of(API, RELEASE)),
)
FACTS = ImageFacts("langgenius/dify-api:1.16.1", ports=frozenset({API.port or 0}), asked=ASKED)
DIGEST = f"sha256:{'1' * 64}"


def differences(facts: ImageFacts, release: Release = RELEASE) -> list[str]:
    return [*of_image(release, "api", facts), *of_service(release, "api", facts)]


def test_an_image_that_is_as_the_file_says_has_no_difference() -> None:
    assert differences(FACTS) == []
    assert list(of_schema(RELEASE, (RELEASE.migration.head, "older"))) == []
    assert list(of_schema(RELEASE, ())) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"labels": {"org.opencontainers.image.version": "1.16.1"}}, None),
        (
            {"labels": {"org.opencontainers.image.version": "v1.16.2"}},
            "images.api: langgenius/dify-api:1.16.1 says of itself that it is 1.16.2",
        ),
        (
            {"rehearsal": True},
            "images.api: langgenius/dify-api:1.16.1 is a rehearsal image, and no image of Dify's",
        ),
        (
            {"ports": frozenset({80, 8080})},
            "services.api.port: 5001 is not among those the image names: 80, 8080",
        ),
        (
            {"volumes": frozenset({PATH, "/models"})},
            "services.api.volumes: the image keeps data in /models; the file mounts nothing there",
        ),
        (
            {"asked": None},
            "services.api: no shell in langgenius/dify-api:1.16.1: user, programs, folders, "
            "settings not asked",
        ),
        (
            {"asked": replace(ASKED, uid=0)},
            f"state.storage.owner: {OWNER}, and api runs as uid 0: it cannot write {PATH}",
        ),
        (
            {"asked": replace(ASKED, owners={})},
            f"services.api.volumes: the image has no folder {PATH}",
        ),
        (
            {"asked": replace(ASKED, owners={PATH: 7})},
            f"state.storage.owner: {OWNER}; in the image {PATH} belongs to uid 7",
        ),
        (
            {"asked": replace(ASKED, programs=frozenset())},
            f"services.api: the image has no program {programs(API)[0]}, which the file starts",
        ),
        (
            {"asked": replace(ASKED, named=ASKED.named - {"DB_HOST", "LOG_LEVEL"})},
            "services.api.environment: no file of the image names DB_HOST, LOG_LEVEL",
        ),
    ],
)
def test_a_difference_is_a_sentence(facts: dict[str, Any], said: str | None) -> None:
    assert differences(replace(FACTS, **facts)) == ([said] if said else [])


def test_a_pinned_digest_is_compared() -> None:
    pinned = RELEASE.model_copy(update={"digests": {"api": DIGEST}})
    assert differences(replace(FACTS, digests=(DIGEST,)), pinned) == []
    assert differences(FACTS, pinned) == [
        f"digests.api: langgenius/dify-api:1.16.1 is of no registry; the file pins {DIGEST}"
    ]


def test_a_health_check_of_the_image_alone_is_told() -> None:
    bare = API.model_copy(update={"health": None})
    release = RELEASE.model_copy(update={"services": {"api": bare}})
    assert differences(replace(FACTS, checks_itself=True), release) == [
        "services.api.health: the image brings a health check; the file has none"
    ]


def test_another_newest_revision_is_told() -> None:
    assert list(of_schema(RELEASE, ("0" * 12,))) == [
        f"migration.head: {RELEASE.migration.head}; the image's newest is {'0' * 12}"
    ]
