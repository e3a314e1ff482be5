"""A bundle is loaded into the engine of a machine that is reached over SSH only."""

import shutil
import uuid
from pathlib import Path

import pytest

from clients.docker import Docker
from clients.ssh import SshNode
from tasks.images import bundle_loader as load
from tasks.images import bundle_reader, bundle_writer
from tests.integration import sshd
from tests.integration.sshd import SshServer
from tests.ports import free_ports


@pytest.fixture
def far(second, os_users):
    """The second engine, behind SSH: whoever logs in finds no other one."""
    folder = Path(f"/tmp/rollout-{uuid.uuid4().hex[:8]}")
    folder.mkdir(mode=0o755)
    env = f"SetEnv DOCKER_HOST={second.node.docker_url()}"
    server: SshServer = sshd.start(folder, free_ports(1)[0], os_users, env=env)
    yield SshNode("node", config=server.config)
    server.stop()
    shutil.rmtree(folder)


def test_a_bundle_goes_over_ssh_and_leaves_no_copy(second, far, make, docker, tmp_path) -> None:
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    make(name, [3_000_000, 200_000])
    layers = docker.image(name).layers
    path = tmp_path / "dify.bundle"
    bundle_writer.write(docker, [name], path, environment="prod", release="1.15.0")
    before = {file.name for file in Path("/tmp").iterdir()}
    assert load.load(bundle_reader.opened(path), {"far": Docker(far)}) == {"far": [name]}
    assert second.docker.image(name).layers == layers
    left = {file.name for file in Path("/tmp").iterdir()} - before
    assert not [file for file in left if file.startswith("docker-") or "bundle" in file]
    assert load.load(bundle_reader.opened(path), {"far": Docker(far)}) == {"far": []}
