"""What an environment is: one complete Dify with its own state, minus its secrets."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Port = Annotated[int, Field(ge=1, le=65535)]

_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
_IDENTIFIER = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")


def _domain(value: str) -> str:
    if len(value) > 253 or not all(_LABEL.match(label) for label in value.split(".")):  # noqa: PLR2004
        raise ValueError(
            f"{value!r} is not a domain name; "
            "expected lower-case labels joined by dots, like 'dify.example.com'"
        )
    return value


def _identifier(value: str) -> str:
    if not _IDENTIFIER.match(value):
        raise ValueError(
            f"{value!r} is not a usable PostgreSQL name; "
            "expected lower-case letters, digits and '_', at most 63, not starting with a digit"
        )
    return value


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if re.fullmatch(r"[0-9.]+", value):
            raise ValueError(
                f"{value!r} is not an IP address; expected four numbers 0-255"
            ) from None
        return _domain(value)
    return value


def _subnet(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{error}; expected a network like '172.30.31.0/24'") from None
    if not network.is_private:
        raise ValueError(f"{value!r} is a public network; expected a private one")
    return value


def _email(value: str) -> str:
    if not _EMAIL.match(value):
        raise ValueError(f"{value!r} is not an e-mail address; expected 'name@example.com'")
    return value


def _url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError(f"{value!r} is not a URL; expected 'http://…' or 'https://…'")
    return value


Domain = Annotated[str, AfterValidator(_domain)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Host = Annotated[str, AfterValidator(_host)]
Subnet = Annotated[str, AfterValidator(_subnet)]
Email = Annotated[str, AfterValidator(_email)]
Url = Annotated[str, AfterValidator(_url)]


class Strict(BaseModel):
    """Unknown keys are errors; a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Platform(Strict):
    kind: Literal["sandbox", "pigsty", "external"]


class Sandbox(Strict):
    home: Path
    prefect_port: Port


class Dify(Strict):
    release: str
    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    home: Path
    data: Path
    bind: Host
    port: Port
    web_port: Port
    api_port: Port
    plugin_port: Port
    websocket_port: Port
    subnet: Subnet
    services: list[str]
    admin_email: Email
    admin_name: Annotated[str, Field(min_length=1, max_length=30)]
    language: str
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    api_workers: Annotated[int, Field(ge=1, le=64)]
    celery_workers: Annotated[int, Field(ge=1, le=64)]
    upload_limit_mb: Annotated[int, Field(ge=1, le=10_240)]
    start_within_s: Annotated[int, Field(ge=10, le=3600)]
    migrate_within_s: Annotated[int, Field(ge=10, le=86_400)]


class Postgres(Strict):
    host: Host
    port: Port
    user: Identifier
    database: Identifier
    plugin_database: Identifier
    max_connections: Annotated[int, Field(ge=20, le=10_000)]
    pool_size: Annotated[int, Field(ge=1, le=500)]
    pool_overflow: Annotated[int, Field(ge=0, le=500)]


class Redis(Strict):
    host: Host
    port: Port
    database: Annotated[int, Field(ge=0, le=15)]
    broker_database: Annotated[int, Field(ge=0, le=15)]
    max_memory_mb: Annotated[int, Field(ge=16, le=1_048_576)]


class Storage(Strict):
    kind: Literal["local", "s3"]
    endpoint: Url
    region: str
    bucket: str
    plugin_bucket: str
    address_style: Literal["auto", "virtual", "path"]

    @model_validator(mode="after")
    def s3_is_complete(self) -> Self:
        for name in ("bucket", "plugin_bucket"):
            value = getattr(self, name)
            if self.kind == "s3" and not _BUCKET.match(value):
                raise ValueError(
                    f"{name}: {value!r} is not a bucket name; storage.kind 's3' needs one"
                )
        return self


class Images(Strict):
    source: Literal["auto", "registry", "archive", "rehearsal"]
    archive: str
    registry_timeout_s: Annotated[int, Field(ge=1, le=600)]
    pull_within_s: Annotated[int, Field(ge=10, le=86_400)]
    rehearsal: Path


class Portal(Strict):
    domain: Domain
    route: Literal["stack", "services"]
    http_port: Port
    https_port: Port
    tls: bool
    body_size_mb: Annotated[int, Field(ge=1, le=10_240)]


class Preflight(Strict):
    disk_free_gb: Annotated[float, Field(ge=0)]
    memory_gb: Annotated[float, Field(ge=0)]


class Environment(Strict):
    """One environment: the whole desired state, minus secrets."""

    name: str
    protected: bool
    platform: Platform
    sandbox: Sandbox
    dify: Dify
    postgres: Postgres
    redis: Redis
    storage: Storage
    images: Images
    portal: Portal
    preflight: Preflight

    @model_validator(mode="after")
    def paths_have_an_owner(self) -> Self:
        if self.platform.kind != "sandbox":
            for key in ("home", "data"):
                path: Path = getattr(self.dify, key)
                if not path.is_absolute():
                    raise ValueError(
                        f"dify.{key}: {str(path)!r} is relative; expected an absolute path"
                    )
        return self

    @model_validator(mode="after")
    def ports_are_distinct(self) -> Self:
        ports = {"dify.port": self.dify.port, "portal.https_port": self.portal.https_port}
        ports["portal.http_port"] = self.portal.http_port
        if self.portal.route == "services":
            for key in ("web_port", "api_port", "plugin_port", "websocket_port"):
                ports[f"dify.{key}"] = getattr(self.dify, key)
        if self.platform.kind == "sandbox":
            ports |= {
                "postgres.port": self.postgres.port,
                "redis.port": self.redis.port,
                "sandbox.prefect_port": self.sandbox.prefect_port,
            }
        seen: dict[int, str] = {}
        for key, port in ports.items():
            if port in seen:
                raise ValueError(f"{key}: {port} is also {seen[port]}; expected a port of its own")
            seen[port] = key
        return self

    @model_validator(mode="after")
    def redis_databases_differ(self) -> Self:
        if self.redis.database == self.redis.broker_database:
            raise ValueError(
                "redis.broker_database: same as redis.database; expected another number, "
                "so that flushing the cache does not lose queued jobs"
            )
        return self

    @model_validator(mode="after")
    def rehearsal_is_for_the_sandbox(self) -> Self:
        if self.platform.kind != "sandbox" and self.images.source in ("auto", "rehearsal"):
            raise ValueError(
                f"images.source: {self.images.source!r} may run rehearsal images; "
                "expected 'registry' or 'archive' outside the sandbox platform"
            )
        return self

    @property
    def public_url(self) -> str:
        """Where people open Dify, without a trailing slash."""
        scheme, port, usual = (
            ("https", self.portal.https_port, 443)
            if self.portal.tls
            else ("http", self.portal.http_port, 80)
        )
        return f"{scheme}://{self.portal.domain}" + ("" if port == usual else f":{port}")
