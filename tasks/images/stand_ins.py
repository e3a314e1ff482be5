"""Rehearsal images: built here from a recipe folder and Debian packages, without any registry."""

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.command import Command
from clients.docker import Docker
from clients.node import Node
from config.errors import StepError
from config.load import ROOT
from tasks.core.packages import install
from tasks.tools import debootstrap

log = logging.getLogger("rollout")

LABEL = "dify-rollout.rehearsal"
RECIPE = "dify-rollout.recipe"
FOLDER = ROOT / "rehearsal"
TRIM = ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "usr/share/man", "usr/share/locale")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the images are built from; `folder` holds `recipe.toml` and one folder a role."""

    folder: Path
    base: dict[str, Any]
    images: dict[str, str]

    def digest(self, role: str, version: str) -> str:
        """Changes when anything the role's image of this version is made of changes."""
        files = sorted(p for p in (self.folder / self.images[role]).rglob("*") if p.is_file())
        total = hashlib.sha256(f"{self.base_tag()} {version}".encode())
        for path in files:
            if "__pycache__" not in path.parts:
                total.update(
                    str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes()
                )
        return total.hexdigest()[:16]

    def base_tag(self) -> str:
        return hashlib.sha256(repr(sorted(self.base.items())).encode()).hexdigest()[:16]


def read_recipe(folder: Path = FOLDER) -> Recipe:
    """The recipe of the folder. Raises StepError if there is none."""
    try:
        content = tomllib.loads((folder / "recipe.toml").read_text())
        return Recipe(folder, content["base"], content["images"])
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise StepError(
            "images",
            f"no usable recipe.toml in {folder}: {error}",
            advice="use the folder rehearsal of the checkout",
        ) from None


def base_images(folder: Path = FOLDER) -> list[str]:
    """What the base is called while the folder's recipe is as it is; nothing without a recipe."""
    if not (folder / "recipe.toml").is_file():
        return []
    recipe = read_recipe(folder)
    return [f"{recipe.base['name']}:{tag}" for tag in (recipe.base_tag(), "latest")]


def version_of(reference: str) -> str:
    """What an image is built as: its tag, so that releases that share an image share its build."""
    return reference.rpartition(":")[2]


def build(docker: Docker, node: Node, recipe: Recipe, role: str, reference: str) -> None:
    """`reference` is the rehearsal image of the role; of runs side by side one builds it."""
    version = version_of(reference)
    digest = recipe.digest(role, version)
    base(docker, node, recipe)
    with alone(recipe.folder):
        found = docker.image(reference)
        if found is None or found.labels.get(RECIPE) != digest:
            docker.build(
                str(recipe.folder / recipe.images[role]),
                reference,
                {LABEL: "true", RECIPE: digest},
                {"RELEASE": version},
            )


def base(docker: Docker, node: Node, recipe: Recipe) -> None:
    """The base image is there; debootstrap runs only the first time."""
    name, tag = recipe.base["name"], recipe.base_tag()
    with alone(recipe.folder):
        if docker.image(f"{name}:{tag}") is None:
            _make_base(docker, node, recipe, name, tag)
        docker.tag(f"{name}:{tag}", name, "latest")


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Whatever else builds from this folder waits, and finds the base made."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _make_base(docker: Docker, node: Node, recipe: Recipe, name: str, tag: str) -> None:
    if os.geteuid() != 0:
        raise StepError("images", "rehearsal images need root once", advice="run as root")
    log.info("images: building the base of the rehearsal images, one to two minutes")
    with tempfile.TemporaryDirectory(prefix="dify-rollout-") as folder:
        root = Path(folder) / "root"
        _fill(node, recipe, root)
        _import(docker, node, root, name, tag)


def _fill(node: Node, recipe: Recipe, root: Path) -> None:
    if node.which("debootstrap") is None:
        if node.which("apt-get") is None:
            raise StepError(
                "images",
                "rehearsal images are built by debootstrap, which is not installed",
                advice="install debootstrap with this machine's package manager, or set "
                "images.source to registry",
            )
        install(node, "debootstrap")
    suite, include = str(recipe.base["suite"]), list(recipe.base["include"])
    mirror = debootstrap.mirror(apt_sources(), suite)
    node.run(debootstrap.bootstrap(suite, include, root, mirror))
    for folder in TRIM:
        shutil.rmtree(root / folder, ignore_errors=True)
    (root / "var/lib/apt/lists").mkdir(parents=True)


def _import(docker: Docker, node: Node, root: Path, name: str, tag: str) -> None:
    archive = root.with_suffix(".tar")
    words = ("tar", "--create", "--file", str(archive), "--directory", str(root), ".")
    node.run(Command(words, timeout_s=300))
    with archive.open("rb") as tree:
        docker.import_filesystem(tree, name, tag)


def apt_sources() -> list[str]:
    """The texts that name the machine's mirrors."""
    folder = Path("/etc/apt")
    found = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [path.read_text() for path in found if path.is_file()]
