"""A Dify that somebody else set up: what its containers say of it, and it as a site to be read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from clients.docker_stacks import Member
from config.environment import Environment, Storage
from config.errors import StepError
from config.release import S3, Release
from config.rules.adoptable import Store
from config.rules.published_secrets import PUBLISHED
from tasks.core.site import Site

STEP = "adopt"
API = re.compile(r"(?:^|/)dify-api(?::v?(?P<version>[^@]+))?(?:@|$)")
# Whoever of these has a value that anybody can read is named.
SECRETS = ("SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD", "CODE_EXECUTION_API_KEY",
           "PLUGIN_DAEMON_KEY", "INNER_API_KEY_FOR_PLUGIN", "INIT_PASSWORD")  # fmt: skip
PLUGINS = "dify_plugin"
# libpq's modes without a plain connection.
TLS = ("require", "verify-ca", "verify-full")
_HERE = ("localhost", "host.docker.internal")


@dataclass(frozen=True, slots=True)
class Origin:
    """The containers of its compose project. What they run with counts, and not what files say."""

    project: str
    members: tuple[Member, ...]

    @property
    def api(self) -> Member:
        """The container that answers people; any of its image where none is called so.

        Raises:
            StepError: the project has none.
        """
        found = [each for each in self.members if API.search(each.image)]
        if not found:
            raise StepError(
                STEP,
                f"the compose project {self.project} has no container of the image dify-api",
                advice="docker compose ls --all names the projects of this machine",
            )
        return next((each for each in found if each.service == "api"), found[0])

    @property
    def settings(self) -> Mapping[str, str]:
        return self.api.settings

    @property
    def folder(self) -> str:
        return self.api.folder

    @property
    def version(self) -> str:
        """Dify's, as its image is called; empty where that does not say it."""
        found = API.search(self.api.image)
        return (found["version"] or "") if found else ""

    @property
    def unsafe(self) -> list[str]:
        """Secrets that anybody can read, or that are missing, by the names they have there."""
        return [n for n in SECRETS if n in self.settings and self.settings[n] in (*PUBLISHED, "")]

    @property
    def keepers(self) -> list[Member]:
        """The containers that hold the state Dify asks for: they are stopped last."""
        asked = {self.settings.get(key, "") for key in ("DB_HOST", "REDIS_HOST", "PGVECTOR_HOST")}
        return [each for each in self.members if asked & {each.service, each.name}]

    @property
    def has_database(self) -> bool:
        """Whether its PostgreSQL is one of its containers."""
        host = self.settings.get("DB_HOST", "")
        return any(host in (each.service, each.name) for each in self.keepers)

    def named(self, *services: str) -> list[Member]:
        return [each for each in self.members if each.service in services]

    def holder(self, url: str) -> str:
        """Its container that answers at the URL; empty if none does."""
        host = urlsplit(url).hostname or ""
        return next((each.name for each in self.members if host in (each.service, each.name)), "")

    def address(self, host: str) -> str:
        """Where the machine reaches what the containers call so."""
        found = [each for each in self.members if host in (each.service, each.name)]
        addresses = [address for each in found for address in each.addresses]
        return addresses[0] if addresses else "127.0.0.1" if host in _HERE else host

    @property
    def ports(self) -> set[int]:
        """Ports of the machine that lead to it."""
        return {port for each in self.members for port in each.ports}

    def state(self, release: Release) -> dict[str, str]:
        """Name of a folder of state, as the release has it → where it lies on the machine."""
        return {
            name: member.mounts[inside]
            for service in release.services
            for member in self.named(service)
            for name, inside in release.services[service].volumes.items()
            if inside in member.mounts
        }

    @property
    def database(self) -> str:
        return self.settings.get("DB_DATABASE", "dify")

    @property
    def plugin_database(self) -> str:
        """Before 1.0 there is none, and one called as usual may be another Dify's."""
        return self.daemon.get("DB_DATABASE", PLUGINS) if self.daemon else f"{self.database}_plugin"

    @property
    def daemon(self) -> Mapping[str, str]:
        """Settings of its plugin daemon; none before 1.0."""
        found = [each for each in self.members if "dify-plugin-daemon" in each.image]
        return found[0].settings if found else {}

    @property
    def store(self) -> Store | None:
        """The buckets that have its files; None if folders do."""
        given = self.settings
        if given.get("STORAGE_TYPE") != "s3":
            return None
        in_bucket = self.daemon.get("PLUGIN_STORAGE_TYPE") == "aws_s3"
        return Store(
            endpoint=given.get("S3_ENDPOINT", ""),
            region=given.get("S3_REGION", ""),
            bucket=given.get("S3_BUCKET_NAME", ""),
            plugins=self.daemon.get("PLUGIN_STORAGE_OSS_BUCKET", "") if in_bucket else "",
            style=given.get("S3_ADDRESS_STYLE") or "auto",
        )


def as_site(origin: Origin, site: Site, files: Path) -> Site:
    """It as a site that is only read: its restore points are the environment's.

    `files`: the folder that has copies of its compose file and `.env`.
    """
    state = origin.state(site.release)
    release = site.release.model_copy(
        update={
            "state": {
                name: each.model_copy(update={"path": state.get(name, f"/nowhere/{name}")})
                for name, each in site.release.state.items()
            }
        }
    )
    environment = site.environment
    given = origin.settings
    return Site(
        environment.model_copy(
            update={
                "platform": environment.platform.model_copy(update={"kind": "external"}),
                "dify": environment.dify.model_copy(
                    update={"project": origin.project, "home": files}
                ),
                "postgres": environment.postgres.model_copy(update=_postgres(origin)),
                "redis": environment.redis.model_copy(update=_redis(origin)),
                "storage": _storage(origin, environment),
            }
        ),
        release,
        {**_carried(origin, site), **_logins(given)},
        site.node,
    )


def _postgres(origin: Origin) -> dict[str, object]:
    given = origin.settings
    return {
        "host": origin.address(given.get("DB_HOST", "localhost")),
        "port": int(given.get("DB_PORT") or 5432),
        "user": given.get("DB_USERNAME", "postgres"),
        "admin": "",
        "ca": "",
        "sslmode": "require" if given.get("PGSSLMODE") in TLS else "prefer",
        "database": origin.database,
        "plugin_database": origin.plugin_database,
    }


def _redis(origin: Origin) -> dict[str, object]:
    given = origin.settings
    broker = urlsplit(given.get("CELERY_BROKER_URL", "")).path.strip("/")
    return {
        "host": origin.address(given.get("REDIS_HOST", "localhost")),
        "port": int(given.get("REDIS_PORT") or 6379),
        "user": given.get("REDIS_USERNAME", ""),
        "database": int(given.get("REDIS_DB") or 0),
        "broker_database": int(broker or 1),
        "sentinels": [],
    }


def _storage(origin: Origin, environment: Environment) -> Storage:
    """A bucket is the environment's own: `obstacles` see to that."""
    kind = environment.storage.kind if origin.store else "local"
    return environment.storage.model_copy(update={"kind": kind})


def _logins(given: Mapping[str, str]) -> dict[str, SecretStr]:
    return {
        "postgres_password": SecretStr(given.get("DB_PASSWORD", "")),
        "redis_password": SecretStr(given.get("REDIS_PASSWORD", "")),
    }


def _carried(origin: Origin, site: Site) -> dict[str, SecretStr]:
    """What its data was signed with, unless anybody can read that; who logs in to it and to its
    bucket.
    """
    kept = ("admin_password", *S3)
    carried = {name: site.secrets[name] for name in kept if name in site.secrets}
    key = origin.settings.get("SECRET_KEY", "")
    return carried if key in (*PUBLISHED, "") else {**carried, "secret_key": SecretStr(key)}
