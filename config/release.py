"""What a Dify release is: images, services, env contract, probes, migration, state."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.environment import Port, Strict


class PostgresNeeds(Strict):
    """Major versions the release's own migrations pass on, and extensions by database."""

    min: int
    max: int
    extensions: list[str]
    plugin_extensions: list[str]


class Health(Strict):
    """The container's own health check: argv run inside it."""

    command: list[str]
    interval_s: int = 5
    timeout_s: int = 5
    retries: int = 12
    start_s: int = 60


class Service(Strict):
    """One container of the stack.

    `env` names groups of `[env.*]` passed through under their own names;
    `environment` adds to them: a value may name a key of `.env` as `${KEY}`.
    `volumes` maps a name of `[state]` to the path inside; `files` maps a
    rendered file to the path inside. `port` is where it listens.
    """

    image: str
    optional: bool = False
    only_with_route: Literal["stack", "services"] | None = None
    env: list[str] = []
    environment: dict[str, str] = {}
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    port: Port | None = None
    publish: Literal["port", "web_port", "api_port", "plugin_port", "websocket_port"] | None = None
    networks: list[Literal["default", "ssrf"]] = ["default"]
    volumes: dict[str, str] = {}
    files: dict[str, str] = {}
    health: Health | None = None
    stop_s: int = 30
    memory_mb: int | None = None


class State(Strict):
    """A directory below `dify.data` that outlives containers, and who writes it."""

    path: str
    owner: int


class Run(Strict):
    """A one-shot container of a service's image."""

    service: str
    environment: dict[str, str] = {}
    entrypoint: list[str] | None = None
    command: list[str] = []


class Migration(Strict):
    """How the schema is moved and how the image's newest revision is asked for.

    `lock_s`: seconds a dead migration's Redis lock stays; upstream exits 0
    without migrating while it is held. `writers` stop before a migration.
    """

    run: Run
    head: Run
    lock_s: int
    writers: list[str]


class Route(Strict):
    """A path prefix of the domain and the service that answers it."""

    path: str
    service: str
    websocket: bool = False
    headers: dict[str, str] = {}


class Api(Strict):
    """Where releases differ for a client of the console API."""

    password: Literal["base64", "plain"]
    session: Literal["cookie", "bearer"]
    streaming_queue: bool


class Secret(Strict):
    """A secret generated at the first deploy; `length` in characters."""

    form: Literal["letters", "base64"]
    length: Annotated[int, Field(ge=8, le=128)]


class Release(Strict):
    """One Dify version as data. A newer one is another file."""

    version: str
    postgres: PostgresNeeds
    secrets: dict[str, Secret]
    images: dict[str, str]
    env: dict[str, dict[str, str]]
    services: dict[str, Service]
    state: dict[str, State]
    routes: list[Route]
    migration: Migration
    api: Api

    @model_validator(mode="after")
    def names_exist(self) -> Self:
        for name, service in self.services.items():
            at = f"services.{name}"
            _known(f"{at}.image", [service.image], self.images)
            _known(f"{at}.env", service.env, self.env)
            _known(f"{at}.volumes", service.volumes, self.state)
        _known("routes", [route.service for route in self.routes], self.services)
        _known("migration.writers", self.migration.writers, self.services)
        runs = [self.migration.run.service, self.migration.head.service]
        _known("migration", runs, self.services)
        return self


def _known(at: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{at}: unknown name {name!r}; expected one of: {', '.join(known)}")
