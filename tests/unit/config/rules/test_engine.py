"""An engine on which the stack would start and not work is known by what it says of itself."""

from pathlib import Path
from typing import Any

import pytest

from config.rules.engine import kept_out, unfit

FIT = {
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
}

SNAP = {"DockerRootDir": "/var/snap/docker/common/var-lib-docker"}
FOLDERS = (Path("/opt/dify"), Path("/data/dify"))


@pytest.mark.parametrize("info", [FIT, {}, {"SecurityOptions": None}])
def test_an_engine_of_root_is_fit(info: dict[str, Any]) -> None:
    for product in ("Engine", "Docker Engine - Community", ""):
        assert unfit(product, info, FOLDERS) is None


def test_a_snap_that_sees_the_folders_is_fit() -> None:
    assert unfit("Engine", SNAP, [Path("/home/ann/dify")]) is None
    assert unfit("Engine", SNAP, [Path("/home/ann/dify"), Path("/home/ann/.dify")])


@pytest.mark.parametrize(
    ("product", "info", "why", "do"),
    [
        ("Engine", {"SecurityOptions": ["name=seccomp", "name=rootless"]}, "rootless", "default"),
        ("Engine", {"SecurityOptions": ["name=userns"]}, "userns-remap", "daemon.json"),
        ("Engine", SNAP, "a snap", "snap remove docker"),
        ("Podman Engine", {"SecurityOptions": ["name=rootless"]}, "Podman", "DOCKER_HOST"),
    ],
)
def test_an_engine_whose_folders_are_others_is_named(
    product: str, info: dict[str, Any], why: str, do: str
) -> None:
    found = unfit(product, FIT | info, FOLDERS)
    assert found and why in found[0] and do in found[1]


LABELLED = "system_u:object_r:container_file_t:s0"
CLOSED = "unconfined_u:object_r:usr_t:s0"


@pytest.mark.parametrize("label", [CLOSED, "", "?"])
def test_a_folder_that_selinux_keeps_from_containers_is_named_with_what_opens_it(
    label: str,
) -> None:
    home, data = FOLDERS
    found = kept_out({"SecurityOptions": ["name=selinux"]}, {home: LABELLED, data: label})
    assert found
    assert found[0] == "SELinux is enforced and lets no container into /data/dify"
    assert "semanage fcontext -a -t container_file_t '/data/dify(/.*)?'" in found[1]


def test_an_engine_that_labels_no_container_and_folders_that_are_labelled_are_fit() -> None:
    assert kept_out(FIT, dict.fromkeys(FOLDERS, CLOSED)) is None
    assert kept_out({"SecurityOptions": ["name=selinux"]}, dict.fromkeys(FOLDERS, LABELLED)) is None
