"""Whether Docker Engine, as it was found, can hold Dify's stack."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Unfit = tuple[str, str]

_PODMAN: Unfit = (
    "what answers as Docker Engine is Podman, on which the stack is not known to run",
    "install Docker Engine, and name its socket in DOCKER_HOST or by docker's context",
)
_SNAP: Unfit = (
    "Docker Engine is a snap, which sees no folder outside of /home and none of a name like .data",
    "snap remove docker, and install the package docker.io or docker-ce",
)
_USERS = "the files that its containers write belong to other users than dify.data is given to"
# Types of SELinux whose files any container may use.
_FOR_CONTAINERS = {"container_file_t", "svirt_sandbox_file_t", "container_share_t"}
# Security option, as the engine names it → why it is none, what to do.
_OPTIONS: Mapping[str, Unfit] = {
    "name=rootless": (
        f"Docker Engine is rootless: {_USERS}",
        "use the engine of root: docker context use default, without DOCKER_HOST",
    ),
    "name=userns": (
        f"Docker Engine maps users (userns-remap): {_USERS}",
        "take userns-remap out of its daemon.json and restart it",
    ),
}


def unfit(product: str, info: Mapping[str, Any], folders: Iterable[Path]) -> Unfit | None:
    """Why it cannot and what to do, None if it can.

    `product`: as it calls itself; `info`: its settings, by the engine's own names; `folders`: what
    the stack's containers mount.
    """
    if "podman" in product.casefold():
        return _PODMAN
    snap = str(info.get("DockerRootDir", "")).startswith("/var/snap/")
    if snap and not all(_seen_by_a_snap(each) for each in folders):
        return _SNAP
    options = (str(each).partition(",")[0] for each in info.get("SecurityOptions") or ())
    return next((_OPTIONS[each] for each in options if each in _OPTIONS), None)


def kept_out(info: Mapping[str, Any], labels: Mapping[Path, str]) -> Unfit | None:
    """Why SELinux, where it is enforced, keeps containers from a folder, and what to do.

    `labels`: of each folder that they mount, empty where it is not there yet. One that is labelled
    hands its label on to what is made in it, so that this is done once.
    """
    labelling = "name=selinux" in (str(each) for each in info.get("SecurityOptions") or ())
    wrong = [
        str(each) for each, label in labels.items() if not _FOR_CONTAINERS & {*label.split(":")}
    ]
    if not labelling or not wrong:
        return None
    steps = [
        f"mkdir -p {each} && semanage fcontext -a -t container_file_t '{each}(/.*)?' "
        f"&& restorecon -R {each}"
        for each in wrong
    ]
    return f"SELinux is enforced and lets no container into {', '.join(wrong)}", "; ".join(steps)


def _seen_by_a_snap(folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in folder.parts)
    return folder.is_relative_to("/home") and not hidden
