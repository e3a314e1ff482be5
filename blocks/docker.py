"""Docker Engine of a node, through its socket."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, cast

import docker
from docker.errors import DockerException, ImageNotFound, NotFound

from blocks.node import LocalNode, Node
from config.errors import RolloutError

Progress = Callable[[str], None]


class DockerUnusable(RolloutError):
    """Docker Engine does not answer; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image the engine has."""

    id: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a compose project. `health` is empty where no check is defined."""

    id: str
    name: str
    service: str
    image: str
    config_hash: str
    state: str
    health: str
    one_off: bool

    @property
    def ready(self) -> bool:
        return self.state == "running" and self.health in ("", "healthy")


class Docker:
    """A client that connects when it is first asked something; without a node, to this machine."""

    def __init__(self, node: Node | None = None) -> None:
        self.node: Node = node or LocalNode()

    @cached_property
    def client(self) -> Any:
        try:
            if url := self.node.docker_url():
                return docker.DockerClient(base_url=url, timeout=600)
            return docker.from_env(timeout=600)
        except DockerException as error:
            raise DockerUnusable(_why(error)) from None

    def trouble(self) -> str | None:
        """Why the engine cannot be used, None if it can."""
        try:
            self.client.ping()
        except DockerUnusable as error:
            return str(error)
        except (DockerException, OSError) as error:
            return _why(error)
        return None

    def version(self) -> str:
        return str(self.client.version()["Version"])

    def image(self, reference: str) -> Image | None:
        try:
            found = self.client.images.get(reference)
        except ImageNotFound:
            return None
        return Image(str(found.id), dict(found.labels))

    def load(self, stream: IO[bytes]) -> None:
        """Take in an archive made by `docker save`, read as it is sent."""
        for line in self.client.api.load_image(stream):
            if "error" in line:
                raise RolloutError(str(line["error"]))

    def pull(self, reference: str) -> Iterator[dict[str, Any]]:
        """The registry's progress messages, until the image is there.

        Raises:
            docker.errors.APIError, RolloutError: the engine's or the registry's refusal.
        """
        name, _, tag = reference.rpartition(":")
        for line in self.client.api.pull(name, tag=tag, stream=True, decode=True):
            if "error" in line:
                raise RolloutError(str(line["error"]))
            yield line

    def build(
        self, folder: str, tag: str, labels: dict[str, str], arguments: dict[str, str]
    ) -> None:
        """Build a folder's Dockerfile with the engine's own builder, without any registry."""
        last = ""
        for line in self.client.api.build(
            path=folder, tag=tag, labels=labels, buildargs=arguments, rm=True, decode=True
        ):
            last = str(line.get("stream") or last)
            if "error" in line:
                raise RolloutError(f"building {tag}: {line['error']} (after {last.strip()!r})")

    def tag(self, reference: str, name: str, tag: str) -> None:
        self.client.api.tag(reference, name, tag)

    def import_filesystem(self, tree: IO[bytes], name: str, tag: str) -> None:
        """An image of one layer from a tar stream of a root filesystem."""
        self.client.api.import_image_from_data(tree, repository=name, tag=tag)

    def containers(self, project: str) -> list[Container]:
        """Every container of the project, running or not."""
        found = self.client.api.containers(
            all=True, filters={"label": f"com.docker.compose.project={project}"}
        )
        return [self._describe(str(entry["Id"])) for entry in found]

    def logs(self, container: str, lines: int = 15) -> str:
        return cast(bytes, self.client.api.logs(container, tail=lines)).decode(errors="replace")

    def remove(self, container: str) -> None:
        """No container of that name or id is left."""
        try:
            self.client.api.remove_container(container, force=True, v=True)
        except NotFound:
            return

    def _describe(self, identity: str) -> Container:
        seen = self.client.api.inspect_container(identity)
        labels = cast(dict[str, str], seen["Config"]["Labels"])
        return Container(
            id=identity,
            name=str(seen["Name"]).lstrip("/"),
            service=labels.get("com.docker.compose.service", ""),
            image=str(seen["Image"]),
            config_hash=labels.get("com.docker.compose.config-hash", ""),
            state=str(seen["State"]["Status"]),
            health=str(seen["State"].get("Health", {}).get("Status", "")),
            one_off=labels.get("com.docker.compose.oneoff") == "True",
        )


def _why(error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text:
        return "Docker Engine refuses this user at /var/run/docker.sock; add it to the group docker"
    if "FileNotFoundError" in text or "Connection refused" in text or "No such file" in text:
        return "Docker Engine is not running (nothing answers at /var/run/docker.sock)"
    return f"Docker Engine does not answer: {text}"
