"""What a Dify release is: images, services, env contract, probes, migration, state."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self, cast

from jinja2 import Environment as Jinja
from jinja2 import TemplateSyntaxError
from pydantic import Field, model_validator

from config import environment
from config.environment.addresses import Port
from config.environment.dify import Direct
from config.environment.model import Strict, refuse
from config.hand_steps import HandStep, Run

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
S3 = ("s3_access_key", "s3_secret_key")
SECTIONS = {
    "dify": list(environment.Dify.model_fields),
    "postgres": list(environment.Postgres.model_fields),
    "redis": list(environment.Redis.model_fields),
    "storage": list(environment.Storage.model_fields),
    "portal": list(environment.Portal.model_fields),
    "pigsty": list(environment.Pigsty.model_fields),
}

_JINJA = Jinja(autoescape=False)  # noqa: S701 - settings, not HTML
_EXPRESSION = re.compile(r"\{\{.*?\}\}")
_NAMED = re.compile(rf"\b(secret|{'|'.join(SECTIONS)})\.(\w+)")


class PostgresNeeds(Strict):
    """Major versions the release's own migrations pass on, and extensions by database.

    `newer_from`: the first release that takes newer ones than `max`.
    """

    min: int
    max: int
    extensions: list[str]
    plugin_extensions: list[str]
    newer_from: str = ""

    def takes(self, major: int) -> bool:
        """Whether the release runs on this version."""
        return self.min <= major <= self.max

    @property
    def expected(self) -> str:
        """What to have instead of another version, for the end of a sentence."""
        newer = f", or dify.release {self.newer_from!r}" if self.newer_from else ""
        return f"expected PostgreSQL {self.min} to {self.max}{newer}"


class RedisNeeds(Strict):
    """Which parts ask Sentinel where the primary is, and which queues nothing consumes."""

    sentinel: bool
    event_bus_sentinel: bool
    ignored_queues: list[str] = []


class Health(Strict):
    """The container's own health check: argv run inside it."""

    command: list[str]
    interval_s: int = 5
    timeout_s: int = 5
    retries: int = 12
    start_s: int = 60


Network = Literal["default", "ssrf", "agent", "agent_proxy"]


class Service(Strict):
    """One container of the stack.

    `switch`: the word of `dify.services` that runs it; without one it always runs.
    `env` names groups of `[env.*]` passed through under their own names;
    `environment` adds to them: a value may name a key of `.env` as `${KEY}`.
    `volumes` maps a name of `[state]` to the path inside; `files` maps a
    rendered file to the path inside. `port` is where it listens. `memory_mb` is
    the most it may use and `pids` how many processes and threads it may have; where
    `processes` names a key of `[dify]`, each of them. `single`: only the first of several
    nodes runs it. `user` replaces the image's. `capabilities` are all that root or anybody
    has in there. `read_only`: nothing but volumes and `tmpfs` (a path and how much of the
    memory it may take) can be written. `only_state`: of its machine it reaches
    PostgreSQL, Redis, S3 and DNS, and no other port. `linux`: the oldest kernel it starts on.
    `overlap`: an old and a new one may run at once, and what the old one ends before it is stopped.
    `assets`: the path of files that pages of an older image go on asking for.
    `folders` maps a folder of rendered files to the path inside; it reads them again by itself.
    """

    image: str
    switch: str | None = None
    single: bool = False
    env: list[str] = []
    environment: dict[str, str] = {}
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    port: Port | None = None
    publish: Literal["port"] | Direct | None = None
    networks: list[Network] = ["default"]
    volumes: dict[str, str] = {}
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    overlap: Literal["requests", "jobs"] | None = None
    assets: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._/-]*/)?$")] = ""
    health: Health | None = None
    stop_s: int = 30
    memory_mb: Annotated[int, Field(ge=16)]
    pids: Annotated[int, Field(ge=8)] = 512
    processes: Literal["api_workers"] | None = None
    user: Annotated[str, Field(pattern=r"^[0-9]+:[0-9]+$")] | None = None
    capabilities: list[Annotated[str, Field(pattern=r"^[A-Z_]+$")]] = []
    only_state: bool = False
    read_only: bool = False
    tmpfs: dict[str, Annotated[str, Field(pattern=r"^[0-9]+m$")]] = {}
    linux: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")] | None = None


class State(Strict):
    """A directory below `dify.data` that outlives containers, and who writes it."""

    path: str
    owner: int


class Migration(Strict):
    """How the schema is moved and how the image is asked for its revisions.

    `head`: its newest one, for plans that are made before the image is here; what the image says
    counts. `lock_s`: seconds a dead migration's Redis lock stays; upstream exits 0
    without migrating while it is held. `writers` stop before a migration.
    """

    run: Run
    revisions: Run
    head: Annotated[str, Field(pattern=r"^([0-9a-f]{12})?$")] = ""
    lock_s: int
    writers: list[str]


class Route(Strict):
    """A path prefix of the domain and the service that answers it."""

    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$")]
    service: str
    websocket: bool = False
    headers: dict[str, str] = {}


class Api(Strict):
    """Where releases differ for a client of the console API."""

    password: Literal["base64", "plain"]
    session: Literal["cookie", "bearer"]
    streaming_queue: bool


class Secret(Strict):
    """A secret generated at the first deploy.

    `length` in characters; form `base64url` has `bytes` instead, and is written without padding.
    """

    form: Literal["letters", "base64", "base64url"]
    length: Annotated[int, Field(ge=8, le=128)] | None = None
    bytes: Annotated[int, Field(ge=16, le=64)] | None = None

    @model_validator(mode="after")
    def has_its_size(self) -> Self:
        needed, other = ("bytes", "length") if self.form == "base64url" else ("length", "bytes")
        if getattr(self, needed) is None or getattr(self, other) is not None:
            refuse([f"{needed}: form {self.form!r} is made by its {needed} alone; expected it"])
        return self

    @property
    def characters(self) -> int:
        """How many it is written in."""
        return -(-self.bytes * 4 // 3) if self.bytes else self.length or 0


class Evidence(Strict):
    """What the file rests on: real images this project has run, and where the rest was read."""

    run: list[str]
    read: str


class Release(Strict):
    """One Dify version as data. A newer one is another file.

    `digests` pins images by role; `name:tag@sha256:…` among the images says the same. `steps`: what
    an upgrade to it or across it takes beside the migration. `overlap_from`: older releases that
    serve its schema too, and may run beside it.
    """

    version: str
    evidence: Evidence
    postgres: PostgresNeeds
    redis: RedisNeeds
    secrets: dict[str, Secret]
    images: dict[str, str]
    digests: dict[str, str] = {}
    env: dict[str, dict[str, str]]
    services: dict[str, Service]
    state: dict[str, State]
    routes: list[Route]
    migration: Migration
    api: Api
    steps: list[HandStep] = []
    overlap_from: list[str] = []

    def beside(self, version: str) -> bool:
        """Whether both may run at once, on this release's schema."""
        return version in (self.version, *self.overlap_from)

    @property
    def proved(self) -> bool:
        """Whether one of its images was run; the newest of these is an environment's default."""
        return bool(self.evidence.run)

    @model_validator(mode="before")
    @classmethod
    def pins_apart(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Compose knows images by their tag only: a digest beside it becomes one of `digests`."""
        images = tree.get("images")
        if not isinstance(images, dict):
            return tree
        pinned = {
            role: image.partition("@")
            for role, image in cast(dict[str, Any], images).items()
            if isinstance(image, str) and "@" in image
        }
        names = {role: name for role, (name, _, _) in pinned.items()}
        pins = {role: digest for role, (_, _, digest) in pinned.items()}
        return tree | {"images": images | names, "digests": tree.get("digests", {}) | pins}

    @model_validator(mode="after")
    def names_exist(self) -> Self:
        refuse(
            [
                *_digests(self),
                *_services(self),
                *_templates(self),
                *_routes(self),
                *_migration(self),
            ]
        )
        return self


def _digests(release: Release) -> Iterator[str]:
    yield from _unknown("digests", release.digests, release.images)
    for role, digest in release.digests.items():
        if not DIGEST.fullmatch(digest):
            yield f"digests.{role}: {digest!r} is no digest; expected sha256: and 64 hex digits"


def _services(release: Release) -> Iterator[str]:
    settings = {key for group in release.env.values() for key in group}
    for name, service in release.services.items():
        at = f"services.{name}"
        yield from _unknown(f"{at}.image", [service.image], release.images)
        yield from _unknown(f"{at}.env", service.env, release.env)
        yield from _unknown(f"{at}.volumes", service.volumes, release.state)
        for key, value in service.environment.items():
            if (named := REFERENCE.fullmatch(value)) and named[1] not in settings:
                yield f"{at}.environment.{key}: {value} is no key of [env]; expected one that is"
        if service.publish and service.port is None:
            yield f"{at}.port: missing; expected the port to publish"


def _templates(release: Release) -> Iterator[str]:
    """What `{{ … }}` may name: sections of an environment and the release's secrets."""
    for group, settings in release.env.items():
        for key, template in settings.items():
            at = f"env.{group}.{key}"
            try:
                _JINJA.parse(template)
            except TemplateSyntaxError as error:
                yield f"{at}: not a template: {error.message}; expected {{{{ section.key }}}}"
            for section, name in _NAMED.findall("".join(_EXPRESSION.findall(template))):
                known = [*release.secrets, *S3] if section == "secret" else SECTIONS[section]
                yield from _unknown(at, [name], known)


def _routes(release: Release) -> Iterator[str]:
    yield from _unknown("routes", [route.service for route in release.routes], release.services)
    for route in release.routes:
        service = release.services.get(route.service)
        if service and service.port is None:
            yield f"routes: {route.path} leads to {route.service}, which has no port; expected one"


def _migration(release: Release) -> Iterator[str]:
    migration = release.migration
    yield from _unknown("migration.writers", migration.writers, release.services)
    runs = [step.run for step in release.steps if step.run]
    yield from _unknown("steps.run.service", [run.service for run in runs], release.services)
    yield from _unknown("migration.run.service", [migration.run.service], release.services)
    yield from _unknown(
        "migration.revisions.service", [migration.revisions.service], release.services
    )


def _unknown(at: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    known = list(known)
    for name in names:
        if name not in known:
            yield f"{at}: unknown name {name!r}; expected one of: {', '.join(known)}"
