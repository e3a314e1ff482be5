"""The compose projects of an engine with their containers, those of other tools included."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from docker.errors import NotFound

from clients.docker_engine import Engine
from clients.docker_objects import ONE_OFF, PROJECT, own_addresses

ENVIRONMENT = "dify-rollout.environment"


@dataclass(frozen=True, slots=True)
class Member:
    """A container of a compose project.

    `settings`: its variables, secrets among them. `mounts`: path inside → folder of the machine.
    `addresses`: its own, on each of its networks; `ports`: those of the machine that lead to it.
    `restart`: after what the engine starts it again.
    `environment`: of this project, which made it; empty where somebody else did.
    """

    id: str
    name: str
    service: str
    project: str
    folder: str
    image: str
    image_id: str
    state: str
    settings: Mapping[str, str] = field(repr=False)
    mounts: Mapping[str, str]
    addresses: tuple[str, ...]
    ports: tuple[int, ...]
    restart: str
    environment: str

    @classmethod
    def of(cls, seen: dict[str, Any]) -> "Member":
        """From what the engine says when it is asked for the container alone."""
        config, labels = seen["Config"], cast(dict[str, str], seen["Config"]["Labels"])
        return cls(
            id=str(seen["Id"]),
            name=str(seen["Name"]).lstrip("/"),
            service=labels.get("com.docker.compose.service", ""),
            project=labels.get(PROJECT, ""),
            folder=labels.get(f"{PROJECT}.working_dir", ""),
            image=str(config["Image"]),
            image_id=str(seen["Image"]),
            state=str(seen["State"]["Status"]),
            settings=dict(str(each).split("=", 1) for each in config["Env"] or () if "=" in each),
            mounts={
                str(each["Destination"]): str(each.get("Source", "")) for each in seen["Mounts"]
            },
            addresses=tuple(own_addresses(seen)),
            ports=_published(seen["HostConfig"].get("PortBindings") or {}),
            environment=labels.get(ENVIRONMENT, ""),
            restart=str(seen["HostConfig"]["RestartPolicy"]["Name"]) or "no",
        )

    @property
    def runs(self) -> bool:
        return self.state == "running"


def _published(bindings: Mapping[str, list[dict[str, str]] | None]) -> tuple[int, ...]:
    """Of a container that is stopped, too; a port that the engine chooses is none."""
    given = [each.get("HostPort", "") for places in bindings.values() for each in places or ()]
    return tuple(sorted({int(port) for port in given if port.isdigit() and port != "0"}))


class Stacks(Engine):
    """The projects, and the containers of each."""

    def projects(self, image: re.Pattern[str]) -> list[str]:
        """Those of others that have a container of an image of such a name, running or not."""
        found = [each for each in self._members(PROJECT) if not each.environment]
        return sorted({each.project for each in found if image.search(each.image)})

    def members(self, project: str) -> list[Member]:
        """Every container of the project that is a service, running or not."""
        return self._members(f"{PROJECT}={project}")

    def set_restart(self, container: str, policy: str) -> None:
        """The engine starts it again by this policy from now on: no, always, unless-stopped, …"""
        with self._asked():
            self.client.api.update_container(container, restart_policy={"Name": policy})

    def stop(self, container: str, within_s: int) -> None:
        """It has ended, by itself within that time; nothing happens if it does not run."""
        with self._asked():
            self.client.api.stop(container, timeout=within_s)

    def _members(self, label: str) -> list[Member]:
        found: list[Member] = []
        with self._asked():
            labels = [label, f"{ONE_OFF}=False"]
            for entry in self.client.api.containers(all=True, filters={"label": labels}):
                with suppress(NotFound):
                    found.append(Member.of(self.client.api.inspect_container(entry["Id"])))
        return sorted(found, key=lambda each: each.name)
