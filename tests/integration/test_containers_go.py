"""Containers that go away while they are asked for."""

import io
import tarfile
from collections.abc import Generator
from threading import Thread
from uuid import uuid4

import pytest

from clients.docker import Docker
from clients.docker_objects import PROJECT

MANY = 40


@pytest.fixture
def empty() -> Generator[str]:
    """An image with nothing in it."""
    api, tag = Docker().client.api, f"rollout-empty-{uuid4().hex[:8]}:1"
    with io.BytesIO() as file:
        tarfile.open(fileobj=file, mode="w").close()
        api.import_image_from_data(file.getvalue(), *tag.split(":"))
    yield tag
    api.remove_image(tag)


def test_one_that_goes_after_it_was_listed_is_left_out(empty: str) -> None:
    docker, project = Docker(), uuid4().hex
    made = [
        docker.client.api.create_container(empty, "nothing", labels={PROJECT: project})["Id"]
        for _ in range(MANY)
    ]
    going = Thread(target=lambda: [Docker().remove(one) for one in made])
    assert len(docker.containers(project)) == MANY
    going.start()
    try:
        seen = []
        while going.is_alive():
            seen.append(len(docker.containers(project)))
    finally:
        going.join()
    assert seen == sorted(seen, reverse=True)
    assert docker.containers(project) == []
