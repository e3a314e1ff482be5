"""Dify's Redis cluster of Pigsty's.

`redis-add` restarts what it is called for each time and an old one purges it first, so it is only
for instances of which nothing exists or that a playbook which was cut off left half made; what
runs is told its settings while it runs.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from clients.redis import RedisRefused, RedisServer, RedisUnfit, RedisUnreachable
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.platforms.pigsty.facts import desired, instances_of, is_known
from tasks.platforms.pigsty.machines import Machine, lines
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import askable, require_tree
from tasks.tools import redis_files
from tasks.tools.redis_files import Files

SETTLE_S = 20.0
MB = 1024**2


@dataclass(frozen=True, slots=True)
class Silent:
    """An instance that does not answer, why, and what of it is on its node."""

    address: str
    port: int
    why: str
    files: Files


@dataclass(frozen=True, slots=True)
class Instances:
    """Every instance of the cluster answers with the password."""

    site: Site
    cluster: str
    name: str = "redis"
    settle_s: float = SETTLE_S

    def observe(self) -> list[Silent]:
        """A tree or inventory that is still to come knows of none."""
        found: list[Silent] = []
        for address, port in instances_of(self.site, self.cluster):
            try:
                with instance(self.site, address, port).client():
                    continue
            except RedisUnreachable as error:
                found.append(Silent(address, port, str(error), self._files(address, port)))
            except RedisUnfit as error:
                raise StepError("redis", str(error), advice=error.advice) from None
            except RedisRefused as error:
                raise StepError(
                    "redis",
                    f"{error}: the cluster {self.cluster} has another password",
                    advice=f"rollout secrets {self.site.name} redis_password --set, or a "
                    "pigsty.redis_cluster of other machines",
                ) from None
        return found

    def plan(self, actual: list[Silent]) -> Sequence[Planned]:
        if not actual:
            return []
        whole = len(actual) == len(instances_of(self.site, self.cluster))
        if whole and not any(silent.files for silent in actual):
            what = f"make Redis cluster {self.cluster}"
            target = f"cluster {self.cluster}"
            return [Change(Kind.MAKE, target, what, "absent", self._servers(), (self.cluster, ()))]
        return [
            *(self._down(silent) for silent in actual if self._made(silent)),
            *self._to_make([silent for silent in actual if not self._made(silent)]),
        ]

    def apply(self, change: Change) -> None:
        where, ports = change.action
        command = require_tree(self.site, self.name).redis_add(where, ports)
        carry_out(self.site, self, change, command)

    def _made(self, silent: Silent) -> bool:
        """Whether it was made once and may hold something. A Sentinel stores nothing.

        An old playbook purges, so there nothing is made anew of which anything is left.
        """
        files = silent.files
        if desired(self.site).generation.removes_on_rerun:
            return bool(files)
        stores = self.cluster != self.site.environment.pigsty.sentinel_cluster
        return bool(files.configuration and files.unit and (files.data or not stores))

    def _down(self, silent: Silent) -> Blocked:
        address, unit = silent.address, silent.files.unit
        start = f"systemctl status {unit} there, and start it"
        return Blocked(
            f"start Redis of {self.cluster} on {address}",
            f"Redis of {self.cluster} exists on {address} and does not answer: {silent.why}",
            f"{start if unit else 'start it there by hand'}; nothing was changed",
        )

    def _to_make(self, lacking: list[Silent]) -> Iterator[Change]:
        """Machine by machine; by port where another instance there must not be restarted."""
        for address in dict.fromkeys(silent.address for silent in lacking):
            mine = [silent for silent in lacking if silent.address == address]
            ports = [silent.port for silent in mine]
            known = [
                port for host, port in instances_of(self.site, self.cluster) if host == address
            ]
            by_port = ports if len(ports) < len(known) else []
            what = f"make Redis of {self.cluster} on {address}"
            if by_port:
                what += f", port {', '.join(map(str, by_port))}"
            half = f"half made, {mine[0].files.lacks}: " if mine[0].files else ""
            action = address, tuple(by_port)
            target = f"{self.cluster} on {address}"
            yield Change(Kind.MAKE, target, what, f"{half}{mine[0].why}", "answers", action)

    def _servers(self) -> str:
        """Each instance, and what it is."""
        redis, pigsty = self.site.environment.redis, self.site.environment.pigsty
        if self.cluster == pigsty.sentinel_cluster:
            kinds, rest = "Sentinel", ""
        else:
            kinds, rest = "Redis", f"{redis.max_memory_mb} MB each, noeviction, on disk"
        places = [
            f"{kinds} at {host}:{port}" for host, port in instances_of(self.site, self.cluster)
        ]
        return "\n".join([*places, *([rest] if rest else [])])

    def _files(self, address: str, port: int) -> Files:
        found = askable(self.site)
        if found is None or not is_known(self.site, address):
            return Files()
        words = redis_files.words(self.cluster, port)
        done = Machine(self.site, found, address, self.name).run(words)
        if done.status != 0 and "No such file" not in done.stderr:
            raise StepError(
                self.name,
                f"{address}: whether Redis of {self.cluster} exists cannot be asked: "
                f"{done.stderr.strip()}",
                advice="Pigsty needs sudo without password there; nothing was changed",
            )
        return redis_files.parse("\n".join(lines(done)), self.cluster, port)


@dataclass(frozen=True, slots=True)
class Watching:
    """Which primary each Sentinel that answers knows, and which there is."""

    known: dict[tuple[str, int], tuple[str, int] | None]
    primary: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Watched:
    """Every Sentinel watches the cluster, whoever is its primary by now.

    Pigsty's playbook would have all of them forget it and begin with the first primary again.
    """

    site: Site
    name: str = "redis"
    settle_s: float = SETTLE_S

    def observe(self) -> Watching:
        pigsty = self.site.environment.pigsty
        known: dict[tuple[str, int], tuple[str, int] | None] = {}
        for place in instances_of(self.site, pigsty.sentinel_cluster):
            with suppress(RedisUnreachable, RedisRefused):
                known[place] = self._asked(*place)
        agreed = next((primary for primary in known.values() if primary), None)
        return Watching(known, agreed or self._primary())

    def plan(self, actual: Watching) -> Sequence[Change]:
        if actual.primary is None:
            return []
        cluster = self.site.environment.pigsty.redis_cluster
        primary = "{}:{}".format(*actual.primary)
        return [
            Change(
                Kind.MAKE,
                f"watch of Sentinel at {address}:{port}",
                f"have Sentinel at {address}:{port} watch {cluster}",
                "does not know it",
                f"primary {primary}",
                (address, port, actual.primary),
            )
            for (address, port), known in actual.known.items()
            if known is None
        ]

    def apply(self, change: Change) -> None:
        address, port, primary = change.action
        pigsty = self.site.environment.pigsty
        quorum = len(self.site.environment.redis.sentinels) // 2 + 1
        told = (
            ("MONITOR", pigsty.redis_cluster, *primary, quorum),
            ("SET", pigsty.redis_cluster, "auth-pass", self.site.secret("redis_password")),
        )
        with instance(self.site, address, port).client() as client:
            for words in told:
                client.execute_command("SENTINEL", *words)  # pyright: ignore[reportUnknownMemberType]

    def _asked(self, address: str, port: int) -> tuple[str, int] | None:
        name = self.site.environment.pigsty.redis_cluster
        with instance(self.site, address, port).client() as client:
            found: Any = client.sentinel_get_master_addr_by_name(name)  # pyright: ignore[reportUnknownMemberType]
        return (str(found[0]), int(found[1])) if found else None

    def _primary(self) -> tuple[str, int] | None:
        for address, port in instances_of(self.site, self.site.environment.pigsty.redis_cluster):
            try:
                with instance(self.site, address, port).client() as client:
                    replication: Any = client.info("replication")  # pyright: ignore[reportUnknownMemberType]
            except (RedisUnreachable, RedisRefused):
                continue
            if replication.get("role") == "master":
                return address, port
        return None


@dataclass(frozen=True, slots=True)
class Settings:
    """The server keeps queued jobs: nothing is evicted, everything is on disk."""

    site: Site
    cluster: str
    name: str = "redis"
    settle_s: float = SETTLE_S

    def observe(self) -> dict[tuple[str, int], dict[str, str]]:
        """What each instance that answers says of the settings that are ours."""
        found: dict[tuple[str, int], dict[str, str]] = {}
        for address, port in instances_of(self.site, self.cluster):
            try:
                with instance(self.site, address, port).client() as client:
                    found[address, port] = _settings(client)
            except (RedisUnreachable, RedisRefused):
                continue
        return found

    def plan(self, actual: dict[tuple[str, int], dict[str, str]]) -> Sequence[Change]:
        changes: list[Change] = []
        for (address, port), live in actual.items():
            wrong = {k: v for k, v in self._wanted().items() if live[k] != v}
            if wrong:
                before = "\n".join(f"{name} {live[name]}" for name in wrong)
                after = "\n".join(f"{name} {value}" for name, value in wrong.items())
                what = f"set {', '.join(wrong)} of Redis at {address}:{port}"
                changes.append(
                    Change(
                        Kind.CHANGE,
                        f"settings of Redis at {address}:{port}",
                        what,
                        before,
                        after,
                        (address, port, wrong),
                    )
                )
        return changes

    def apply(self, change: Change) -> None:
        """The file first, for the next start; then the running server, which goes on running."""
        address, port, wrong = change.action

        def tell() -> None:
            with instance(self.site, address, port).client() as client:
                for name, value in wrong.items():
                    client.config_set(name, value)  # pyright: ignore[reportUnknownMemberType]

        command = require_tree(self.site, self.name).redis_config(self.cluster)
        carry_out(self.site, self, change, command, then=tell)

    def _wanted(self) -> dict[str, str]:
        size = self.site.environment.redis.max_memory_mb * MB
        return {"maxmemory": str(size), "maxmemory-policy": "noeviction", "appendonly": "yes"}


def instance(site: Site, address: str, port: int) -> RedisServer:
    return RedisServer(address, port, site.secrets["redis_password"], 0, site.admin)


def redis_steps(site: Site) -> list[Step[Any]]:
    """The servers, then Sentinels that watch them, then how the servers are set."""
    pigsty = site.environment.pigsty
    steps: list[Step[Any]] = [Instances(site, pigsty.redis_cluster)]
    if pigsty.redis_mode == "sentinel":
        steps += [Instances(site, pigsty.sentinel_cluster), Watched(site)]
    return [*steps, Settings(site, pigsty.redis_cluster)]


def _settings(client: Any) -> dict[str, str]:
    memory, persistence = client.info("memory"), client.info("persistence")
    return {
        "maxmemory": str(memory.get("maxmemory", "")),
        "maxmemory-policy": str(memory.get("maxmemory_policy", "")),
        "appendonly": "yes" if persistence.get("aof_enabled") else "no",
    }
