"""What CI removes before it starts from nothing: images this project made, nobody else's."""

import os
import subprocess

from config.load import ROOT
from tasks.images.stand_ins import LABEL
from tests.integration.images.conftest import Maker


def test_only_images_of_this_project_are_removed(second, tmp_path) -> None:
    docker, make = second.docker, Maker(second.docker, tmp_path)
    for image in docker.images():
        docker.forget(image)
    make("dify-rollout/rehearsal-base:1", [1000])
    docker.tag("dify-rollout/rehearsal-base:1", "dify-rollout/rehearsal-base", "latest")
    (tmp_path / "Dockerfile").write_text("FROM dify-rollout/rehearsal-base\nLABEL a=b\n")
    docker.build(str(tmp_path), "langgenius/dify-api:1", {LABEL: "true"}, {})
    docker.client.api.create_container("langgenius/dify-api:1", ["none"], name="left")
    docker.client.api.create_container("langgenius/dify-api:1", ["none"])
    make("rollout-test/left:1", [1000])
    make("127.0.0.1:1/rollout-test/left:1", [1000])
    make("langgenius/dify-web:1", [1000])
    docker.tag("langgenius/dify-web:1", "dify-rollout/pinned", f"sha256-{'0' * 64}")
    make("somebody/elses:1", [1000])
    make("somebody/dify-rollout:1", [1000])

    env = {**os.environ, "DOCKER_HOST": second.node.docker_url()}
    for _ in range(2):
        subprocess.run([ROOT / ".ci/remove_images"], env=env, check=True)

    kept = {"langgenius/dify-web:1", "somebody/elses:1", "somebody/dify-rollout:1"}
    assert {tag for image in docker.images() for tag in image.tags} == kept
    assert docker.client.api.containers(all=True) == []
    docker.forget(docker.image("langgenius/dify-web:1"))
