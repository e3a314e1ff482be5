"""Docker Engine of a node, through its socket."""

import json
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from http import HTTPStatus
from typing import IO, Any, cast

from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import LogConfig
from requests import RequestException

from clients import docker_login
from clients.command import Command
from clients.credentials import Credentials
from clients.docker_engine import Engine
from clients.docker_frames import unframed
from clients.docker_objects import (
    ASIDE,
    ONE_OFF,
    PROJECT,
    Container,
    Image,
    Network,
    Running,
    Subnet,
)
from clients.waiting import until
from config.errors import RolloutError

_RUNS = 3
_FEW = 200
_NO_MOUNTS: Mapping[str, str] = {}


class NotRunning(RolloutError):
    """Nothing can be started in that container."""


class Incomplete(RolloutError):
    """What came of a command in a container lacks a part."""


class NoEnd(RolloutError):
    """A container did not end in its time."""


class Docker(Engine):
    """Its images, containers and networks."""

    def image(self, reference: str) -> Image | None:
        """The image of this name or id; None if there is none."""
        with self._asked():
            try:
                return Image.of(self.client.api.inspect_image(reference))
            except ImageNotFound:
                return None

    def images(self) -> list[Image]:
        """Every image that is not merely a step of a build."""
        identities = {str(entry["Id"]) for entry in self.client.api.images()}
        found = [self.image(identity) for identity in sorted(identities)]
        return [image for image in found if image]

    def images_in_use(self) -> set[str]:
        """Ids of the images any container was made from, running or not."""
        return {str(entry["ImageID"]) for entry in self.client.api.containers(all=True)}

    def shares_layers(self) -> bool:
        """Whether an archive may leave out layers the engine has: not with containerd's store."""
        status = cast(list[list[str]], self.info().get("DriverStatus") or [])
        return not any("io.containerd.snapshotter" in value for _, value in status)

    def load(self, stream: IO[bytes] | Iterator[bytes]) -> None:
        """Take in an archive made by `docker save`, read as it is sent."""
        for line in self.client.api.load_image(stream):
            if "error" in line:
                raise RolloutError(str(line["error"]))

    @contextmanager
    def saved(self, references: list[str]) -> Generator[IO[bytes]]:
        """What `docker save` writes of these images, as it comes."""
        with self.client.api.get(
            self._url("/images/get"), params={"names": references}, stream=True
        ) as response:
            if response.status_code != HTTPStatus.OK:
                raise RolloutError(f"Docker Engine does not save: {response.text.strip()}")
            yield cast(IO[bytes], response.raw)

    def pull(
        self, reference: str, login: Credentials | None = None, *, quiet_s: float = 600
    ) -> Generator[dict[str, Any]]:
        """The registry's progress messages, until the image is there.

        `quiet_s`: seconds without any message until the pull is given up. Without a login the
        engine is shown what `docker login` left.

        Raises:
            requests.RequestException, RolloutError: the engine's or the registry's refusal.
        """
        api = self.client.api
        with api.post(
            self._url("/images/create"),
            params={"fromImage": reference},
            headers=docker_login.headers(api, reference, login),
            stream=True,
            timeout=(quiet_s, quiet_s),
        ) as response:
            if response.status_code != HTTPStatus.OK:
                raise RolloutError(str(response.json().get("message", response.text)))
            for text in filter(None, response.iter_lines()):
                line: dict[str, Any] = json.loads(text)
                if "error" in line:
                    raise RolloutError(str(line["error"]))
                yield line

    def log_in(self, registry: str, login: Credentials) -> None:
        """The registry accepts the login as this engine reaches it; no engine keeps it.

        Raises:
            RolloutError: the engine's or the registry's refusal.
        """
        secret = login.password.get_secret_value()
        try:
            self.client.login(login.username, secret, registry=registry, reauth=True)
        except (APIError, RequestException) as error:
            said = str(getattr(error, "explanation", None) or error)
            raise RolloutError(said.replace(secret, "***")) from None

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

    def forget(self, image: Image) -> None:
        """The image has no name left and is gone, unless another one was built on it."""
        for name in (*image.tags, image.id):
            try:
                self.client.api.remove_image(name, force=name == image.id)
            except ImageNotFound:
                continue
            except APIError as error:
                if "dependent child images" not in str(error.explanation):
                    raise

    def import_filesystem(self, tree: IO[bytes], name: str, tag: str) -> None:
        """An image of one layer from a tar stream of a root filesystem."""
        self.client.api.import_image_from_data(tree, repository=name, tag=tag)

    def containers(self, project: str) -> list[Container]:
        """Every container of the project, running or not."""
        with self._asked():
            found = self.client.api.containers(all=True, filters={"label": f"{PROJECT}={project}"})
            paths = [f"/containers/{entry['Id']}/json" for entry in found]
            # One may have gone since it was listed.
            return [Container.of(json.loads(seen)) for path in paths if (seen := self._found(path))]

    def running(self, project: str, *, one_off: bool = False) -> list[Running]:
        """Every running container of the project, by one request; `one_off`: also those that were
        started for one task, or by hand.
        """
        labels = [f"{PROJECT}={project}"]
        found = self.client.api.containers(
            filters={"label": labels if one_off else [*labels, f"{ONE_OFF}=False"]}
        )
        return [Running.of(entry) for entry in found if entry["State"] == "running"]

    def networks(self, project: str) -> dict[str, Network]:
        """The project's networks, by the names that Compose has for them."""
        label = {"label": f"{PROJECT}={project}"}
        with self._asked():
            return {
                str(found["Labels"]["com.docker.compose.network"]): Network.of(found)
                for found in self.client.api.networks(filters=label)
            }

    def subnets(self) -> list[Subnet]:
        """Every range of addresses that a network of the engine has."""
        with self._asked():
            return [each for found in self.client.api.networks() for each in Subnet.all_of(found)]

    def remove_networks(self, project: str, *, but: Collection[str] = ()) -> None:
        """No network of the project is left, but those that Compose calls so."""
        label = {"label": f"{PROJECT}={project}"}
        with self._asked():
            for found in self.client.api.networks(filters=label):
                if found["Labels"]["com.docker.compose.network"] not in but:
                    self._remove_network(found)

    def _remove_network(self, found: dict[str, Any]) -> None:
        try:
            self.client.api.remove_network(found["Id"])
        except APIError as error:
            if error.is_server_error():
                raise
            raise RolloutError(f"the network {found['Name']} stays: {error.explanation}") from None

    def logs(self, container: str, lines: int = 15) -> str:
        with self._asked():
            said = cast(bytes, self.client.api.logs(container, tail=lines))
        return said.decode(errors="replace")

    def logs_since(self, container: str, at: float, lines: int) -> list[str]:
        """The last lines since then, seconds since the epoch.

        Few are asked for first: the engine reads as many as asked, however old they are.
        """
        said: list[str] = []
        for most in (min(_FEW, lines), lines):
            said = self._said(container, since=f"{at:.6f}", tail=most).splitlines()
            if len(said) < most:
                break
        return said

    def spoke(self, container: str) -> float | None:
        """When it wrote the last line of its log, seconds since the epoch; None: never."""
        at = self._said(container, tail=1, timestamps=1).partition(" ")[0]
        return datetime.fromisoformat(at).timestamp() if at else None

    def _said(self, container: str, **asked: int | str) -> str:
        """Its log by one request; the library's own first asks whether it has a terminal."""
        answer = self._get(f"/containers/{container}/logs", stdout=1, stderr=1, **asked)
        return unframed(answer).decode(errors="replace")

    def inside(self, container: str, words: Sequence[str], *, lines: int = 0) -> str:
        """What the words print, run in the container within a time of their own: something, and
        so many whole lines.

        The engine may end the connection before all of it has come; they are run again then.

        Raises:
            NotRunning: there is no such container, or it is paused or has ended.
            Incomplete: they printed less, however often they were run.
        """
        said = ""
        for _ in range(_RUNS):
            said = self._inside(container, words)
            if said and said.count("\n") >= lines:
                return said
        some = f"{said.count(chr(10))} of {lines} lines" if said else "nothing"
        raise Incomplete(f"{words[0]} in {container} printed {some}, {_RUNS} times")

    def _inside(self, container: str, words: Sequence[str]) -> str:
        api = self.client.api
        try:
            begun = api.exec_create(container, list(words), stderr=False)
        except APIError as error:
            if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
            raise NotRunning(f"{container} does not run") from None
        return cast(bytes, api.exec_start(begun["Id"])).decode(errors="replace")

    def once(
        self,
        image: str,
        words: Sequence[str],
        *,
        name: str,
        entrypoint: Sequence[str] | None,
        environment: Mapping[str, str],
        timeout_s: float,
        user: str = "",
        mounts: Mapping[str, str] = _NO_MOUNTS,
    ) -> tuple[int, str]:
        """Exit status and output of a container that has no network; none of that name is left.

        `user`: another one than the image's. `mounts`: folder of the machine → where it is inside.

        Raises:
            NoEnd: it ran for longer than `timeout_s`.
        """
        api = self.client.api
        self.remove(name)
        with self._asked():
            made = api.create_container(
                image,
                list(words),
                name=name,
                entrypoint=list(entrypoint) if entrypoint else None,
                environment=dict(environment),
                user=user or None,
                host_config=self._alone(mounts),
            )
        try:
            with self._asked():
                api.start(made)
            return self.ended(str(made["Id"]), timeout_s)
        finally:
            self.remove(str(made["Id"]))

    def _alone(self, mounts: Mapping[str, str]) -> dict[str, Any]:
        """Of a container without a network, beside those that people wait for."""
        return self.client.api.create_host_config(
            cpu_shares=ASIDE,
            network_mode="none",
            log_config=LogConfig(type=LogConfig.types.JSON),
            binds=[f"{here}:{there}" for here, there in mounts.items()],
        )

    def ended(self, container: str, timeout_s: float) -> tuple[int, str]:
        """Its exit status and what it wrote, once it has ended.

        Raises:
            NoEnd: it runs for longer than `timeout_s`.
            NotRunning: there is no such container.
        """
        return self._end(container, timeout_s), self.logs(container, lines=5000)

    def _end(self, container: str, timeout_s: float) -> int:
        """Its exit status; asked again and again, since the engine's own `wait` hides its limit."""
        state = until(
            lambda: self._state(container),
            lambda found: found["Status"] in ("exited", "dead"),
            within_s=timeout_s,
            every_s=0.1,
        )
        if state["Status"] not in ("exited", "dead"):
            raise NoEnd(f"no end within {timeout_s:g} s")
        return int(state["ExitCode"])

    def _state(self, container: str) -> dict[str, Any]:
        with self._asked():
            try:
                return cast(dict[str, Any], self.client.api.inspect_container(container)["State"])
            except NotFound:
                raise NotRunning(f"{container} was not made, or is gone") from None

    def start(self, container: str) -> None:
        """It runs; nothing happens if it did."""
        with self._asked():
            self.client.api.start(container)

    def restart(self, container: str, stop_s: int = 10) -> None:
        self.client.api.restart(container, timeout=stop_s)

    def stop(self, container: str, within_s: int | None = None) -> None:
        """It does not run; it has its own time to end, or `within_s`, and is killed then."""
        with self._asked(), suppress(NotFound):
            self.client.api.stop(container, timeout=within_s)

    def rename(self, container: str, name: str) -> None:
        with self._asked():
            self.client.api.rename(container, name)

    def signal(self, container: str, name: str) -> None:
        """Its program gets the signal."""
        with self._asked():
            self.client.api.kill(container, name)

    def execute(self, container: str, words: Sequence[str]) -> tuple[int, str]:
        """Exit status and all output of the words, run in the container.

        Raises:
            NotRunning: there is no such container, or it is paused or has ended.
        """
        if self.node.docker_url():
            return self._executed_there(container, words)
        api = self.client.api
        with self._asked():
            try:
                begun = api.exec_create(container, list(words))["Id"]
                said = cast(bytes, api.exec_start(begun)).decode(errors="replace")
            except (APIError, NotFound) as error:
                if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                    raise
                raise NotRunning(f"{container} does not run") from None
            return int(api.exec_inspect(begun)["ExitCode"] or 0), said

    def _executed_there(self, container: str, words: Sequence[str]) -> tuple[int, str]:
        """By the node's own client: the library opens two connections to it for each command."""
        done = self.node.attempt(Command(("docker", "exec", container, *words)))
        if done.status and self._state(container)["Status"] != "running":
            raise NotRunning(f"{container} does not run")
        return done.status, done.stderr + done.stdout

    def memory(self, container: str) -> int:
        """Bytes that it uses, without what the kernel would give back; 0 of one that ends."""
        with self._asked():
            answer = self._get(f"/containers/{container}/stats", **{"stream": 0, "one-shot": 1})
        memory = cast(dict[str, Any], json.loads(answer or "{}").get("memory_stats", {}))
        return int(memory.get("usage", 0)) - int(memory.get("stats", {}).get("inactive_file", 0))

    def share(self, container: str, weight: int) -> None:
        """The container has this part of busy processors, where others have 1024 each.

        One that ends at this moment keeps its part: the engine refuses to change it.
        """
        with self._asked(), suppress(APIError):
            self.client.api.update_container(container, cpu_shares=weight)

    def remove(self, container: str) -> None:
        """No container of that name or id is left."""
        with self._asked(), suppress(NotFound):
            self.client.api.remove_container(container, force=True, v=True)
