"""What an environment is: one complete Dify with its own state, minus its secrets."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Port = Annotated[int, Field(ge=1, le=65535)]

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_DESTINATION = re.compile(r"(?!-)[A-Za-z0-9_.@:/%\[\]-]+")
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?(/[a-z0-9._/-]*[a-z0-9])?")
_RECIPIENT = re.compile(r"age1[a-z0-9]{58}|ssh-(ed25519|rsa) \S+( .*)?")
_BLOCK = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")
_SOURCE = re.compile(
    r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|credential:[A-Za-z0-9_.@-]+|"
    r"block:[a-z0-9-]+/[a-z0-9-]+\.[A-Za-z_][A-Za-z0-9_]*"
)
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z][A-Za-z]{1,3}")
_CLUSTER = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")
_PIGSTY = re.compile(r"v\d+\.\d+\.\d+")
_TEMPLATE = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)?")
_SMALLEST = 28
_LONGEST_DOMAIN = 253


def _domain(value: str) -> str:
    if len(value) > _LONGEST_DOMAIN or not all(_LABEL.fullmatch(x) for x in value.split(".")):
        raise ValueError(
            f"{value!r} is not a domain name; "
            "expected lower-case labels joined by dots, like 'dify.example.com'"
        )
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a usable name; expected lower-case letters, digits, '-' and '_', "
            "at most 63, starting with a letter or digit"
        )
    return value


def _identifier(value: str) -> str:
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a usable PostgreSQL name; "
            "expected lower-case letters, digits and '_', at most 63, not starting with a digit"
        )
    return value


def _identifier_or_none(value: str) -> str:
    return _identifier(value) if value else value


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError(
            f"{value!r} is not an IPv4 address; expected four numbers 0-255, like '10.10.10.10'"
        ) from None


def _bind(value: str) -> str:
    if IPv4Address(_address(value)).is_unspecified:
        raise ValueError(
            f"{value!r} opens the stack to every network, beside the portal; "
            "expected one address of this machine, like '127.0.0.1'"
        )
    return value


def _host(value: str) -> str:
    if ":" in value or re.fullmatch(r"[0-9.]+", value):
        return _address(value)
    return _domain(value)


def _endpoint(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:  # noqa: PLR2004
        raise ValueError(f"{value!r} is not an address; expected host:port")
    _host(host)
    return value


def _subnet(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{error}; expected a network like '172.30.31.0/24'") from None
    if not network.is_private or network.is_loopback or network.is_link_local:
        raise ValueError(
            f"{value!r} is not a private network; expected a part of 10.0.0.0/8, "
            "172.16.0.0/12 or 192.168.0.0/16"
        )
    if network.prefixlen > _SMALLEST:
        raise ValueError(
            f"{value!r} is too small for the stack's containers; expected /{_SMALLEST} or larger"
        )
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError(f"{value!r} is not an e-mail address; expected 'name@example.com'")
    return value


def _url(value: str) -> str:
    if value and not _URL.fullmatch(value):
        raise ValueError(f"{value!r} is not a URL; expected 'http://…' or 'https://…'")
    return value


def _destination(value: str) -> str:
    if not _DESTINATION.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a machine; expected 'local' or a destination of OpenSSH: "
            "an alias, 'user@host' or 'ssh://user@host:port'"
        )
    return value


def _registry(value: str) -> str:
    if not _REGISTRY.fullmatch(value) or value.startswith(("http:", "https:")):
        raise ValueError(
            f"{value!r} is not a registry; expected 'origin' (the one an image names) or a host, "
            "like 'quay.io', 'registry.example.com:5000' or 'registry.example.com/mirror'"
        )
    return value


def _recipient(value: str) -> str:
    if not _RECIPIENT.fullmatch(value):
        raise ValueError(
            f"{value!r} is no public key; expected one of age ('age1…') or SSH ('ssh-ed25519 …')"
        )
    return value


def _block(value: str) -> str:
    if not _BLOCK.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a Prefect block; expected type and name, like 'slack-webhook/ops'"
        )
    return value


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        # It may be the secret itself, and is not repeated.
        raise ValueError(
            "this is no source of a secret; expected 'env:NAME', 'file:/path', 'credential:NAME' "
            "or 'block:type/name.field'"
        )
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not a language of Dify; expected one like 'en-US'")
    return value


def _cluster(value: str) -> str:
    if not _CLUSTER.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a usable cluster name; expected lower-case letters, digits and '-', "
            "at most 63, starting with a letter, like 'pg-meta'"
        )
    return value


def _pigsty(value: str) -> str:
    if not _PIGSTY.fullmatch(value):
        raise ValueError(f"{value!r} is not a version of Pigsty; expected one like 'v4.5.0'")
    return value


def _template(value: str) -> str:
    if not _TEMPLATE.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a template of Pigsty; expected a file of its conf/ without .yml, "
            "like 'meta' or 'ha/trio'"
        )
    return value


def _addresses_once(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if _address(value) in values[:index]:
            raise ValueError(f"{value!r} is there twice; expected every address once")
    return values


def _senders(values: list[str]) -> list[str]:
    """Addresses as Pigsty's HBA rules take them: it aborts on names and on IPv6."""
    for value in values:
        if value in ("world", "all"):
            raise ValueError(
                f"{value!r} admits every machine to the password prompt; "
                "expected the addresses Dify connects from"
            )
        try:
            known = value in ("cluster", "admin", "infra", "intra") or IPv4Network(value)
        except ValueError:
            known = None
        if not known:
            raise ValueError(
                f"{value!r} is no sender Pigsty knows; expected an IPv4 address, a network like "
                "'10.0.0.0/8', 'cluster', 'admin', 'infra' or 'intra'"
            )
    return values


def _urls(values: list[str]) -> list[str]:
    for value in values:
        if not _URL.fullmatch(value):
            raise ValueError(f"{value!r} is not a URL; expected 'http://…' or 'https://…'")
    return values


Name = Annotated[str, AfterValidator(_name)]
Domain = Annotated[str, AfterValidator(_domain)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Bind = Annotated[str, AfterValidator(_bind)]
Host = Annotated[str, AfterValidator(_host)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Subnet = Annotated[str, AfterValidator(_subnet)]
Email = Annotated[str, AfterValidator(_email)]
Url = Annotated[str, AfterValidator(_url)]
Destination = Annotated[str, AfterValidator(_destination)]
Registry = Annotated[str, AfterValidator(_registry)]
Recipient = Annotated[str, AfterValidator(_recipient)]
Language = Annotated[str, AfterValidator(_language)]
Source = Annotated[str, AfterValidator(_source)]
BlockSlug = Annotated[str, AfterValidator(_block)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Folder = Annotated[Path, Field(strict=False)]
Address = Annotated[str, AfterValidator(_address)]
Cluster = Annotated[str, AfterValidator(_cluster)]

LOCAL = "local"

PROBLEMS = "problems"


def refuse(problems: Iterable[str]) -> None:
    """Fail the model with all of `problems`, each `key: what is wrong; what is expected`."""
    if found := "\n".join(problems):
        raise PydanticCustomError(PROBLEMS, "{found}", {"found": found})


class Strict(BaseModel):
    """Unknown keys are errors, types are not converted; a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Platform(Strict):
    kind: Literal["sandbox", "pigsty", "external"]


class Sandbox(Strict):
    home: Folder
    prefect_port: Port


class Nodes(Strict):
    admin: Destination
    dify: Annotated[list[Destination], Field(min_length=1)]
    addresses: list[Bind]
    sudo: bool
    ssh_config: str
    ssh_key: str
    patience: Annotated[float, Field(ge=0.1, le=100)]

    @model_validator(mode="after")
    def each_is_listed_once(self) -> Self:
        for key in ("dify", "addresses"):
            named: list[str] = getattr(self, key)
            twice = sorted({name for name in named if named.count(name) > 1})
            refuse(f"{key}: {name!r} is listed twice; expected each node once" for name in twice)
        return self


class Pigsty(Strict):
    """Where Pigsty is, and what of it is Dify's.

    Empty node lists say that the cluster stands in pigsty.yml already.
    """

    home: Folder
    version: Annotated[str, AfterValidator(_pigsty)]
    region: Literal["default", "china"]
    source: str
    packages: str
    template: Annotated[str, AfterValidator(_template)]
    admin_ip: Address
    pg_cluster: Cluster
    pg_version: Annotated[int, Field(ge=10, le=30)]
    pg_nodes: Annotated[list[str], AfterValidator(_addresses_once)]
    pg_senders: Annotated[list[str], AfterValidator(_senders)]
    redis_cluster: Cluster
    redis_mode: Literal["standalone", "replica", "sentinel"]
    redis_nodes: Annotated[list[str], AfterValidator(_addresses_once)]
    sentinel_nodes: Annotated[list[str], AfterValidator(_addresses_once)]
    portal_entry: Name
    certbot: bool
    domain_record: Literal["dnsmasq", "hosts", "none"]
    proxy: Url
    registry_mirrors: Annotated[list[str], AfterValidator(_urls)]

    @property
    def sentinel_cluster(self) -> str:
        """The group of the Sentinels that watch `redis_cluster`."""
        return f"{self.redis_cluster}-sentinel"


class Dify(Strict):
    release: str
    project: Name
    home: Folder
    data: Folder
    bind: Bind
    port: Port
    web_port: Port
    api_port: Port
    plugin_port: Port
    websocket_port: Port
    subnet: Subnet
    services: list[str]
    admin_email: Email
    admin_name: Annotated[str, Field(min_length=1, max_length=30)]
    language: Language
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
    admin: Annotated[str, AfterValidator(_identifier_or_none)]
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
    sentinels: list[Endpoint]
    sentinel_master: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    max_memory_mb: Annotated[int, Field(ge=16, le=1_048_576)]


class Storage(Strict):
    kind: Literal["local", "s3"]
    endpoint: Url
    region: str
    bucket: str
    plugin_bucket: str
    address_style: Literal["auto", "virtual", "path"]

    @property
    def path_style(self) -> bool:
        """Whether the bucket's name stands in the path, as clients of `auto` decide it."""
        return self.address_style == "path" or (
            self.address_style == "auto" and bool(self.endpoint)
        )

    @model_validator(mode="after")
    def s3_is_complete(self) -> Self:
        if self.kind == "s3":
            buckets = {"bucket": self.bucket, "plugin_bucket": self.plugin_bucket}
            refuse(
                f"{key}: {value!r} is not a bucket name; storage.kind 's3' needs one"
                for key, value in buckets.items()
                if not _BUCKET.fullmatch(value)
            )
        return self


class Docker(Strict):
    proxy: Url
    proxy_login: str
    no_proxy: list[str]


class Images(Strict):
    source: Literal["auto", "registry", "archive", "rehearsal"]
    archive: str
    registries: Annotated[list[Registry], Field(min_length=1)]
    logins: dict[str, str]
    registry_timeout_s: Annotated[int, Field(ge=1, le=600)]
    stalled_after_s: Annotated[int, Field(ge=1, le=3600)]
    pull_within_s: Annotated[int, Field(ge=10, le=86_400)]
    rehearsal: Folder


class Secrets(Strict):
    sources: dict[str, Source]


class Portal(Strict):
    domain: Domain
    route: Literal["stack", "services"]
    http_port: Port
    https_port: Port
    tls: bool
    body_size_mb: Annotated[int, Field(ge=1, le=10_240)]


class Backup(Strict):
    repository: str
    ssh_key: str
    recipients: list[Recipient]
    objects: bool
    physical: bool
    keep_last: Annotated[int, Field(ge=1, le=1000)]
    keep_daily: Annotated[int, Field(ge=0, le=1000)]
    keep_weekly: Annotated[int, Field(ge=0, le=1000)]
    keep_monthly: Annotated[int, Field(ge=0, le=1000)]
    keep_before_days: Annotated[int, Field(ge=0, le=3650)]
    keep_replaced_days: Annotated[int, Field(ge=0, le=3650)]
    shrink: Annotated[float, Field(ge=0, le=1)]
    verify_days: Annotated[int, Field(ge=1, le=256)]
    window_h: Annotated[float, Field(gt=0, le=8760)]
    lock_within_s: Annotated[int, Field(ge=0, le=86_400)]
    drill_subnet: Subnet
    drill_port: Port
    drill_redis: Annotated[int, Field(ge=0, le=15)]
    drill_broker: Annotated[int, Field(ge=0, le=15)]

    @property
    def remote(self) -> bool:
        """Whether the repository is named by a scheme of restic's, and not by a path."""
        return bool(re.match(r"[a-z][a-z0-9]*:", self.repository))


class Health(Strict):
    deadline_s: Annotated[float, Field(gt=0, le=60)]
    again_after_s: Annotated[float, Field(ge=0, le=60)]
    confirm: Annotated[int, Field(ge=1, le=20)]
    confirm_of: Annotated[int, Field(ge=1, le=20)]
    repeat_h: Annotated[float, Field(gt=0, le=8760)]
    missing_after_s: Annotated[int, Field(ge=10, le=604_800)]
    quiet_s: Annotated[int, Field(ge=0, le=86_400)]
    notify: list[BlockSlug]
    skip: list[str]
    ignored_queues: list[str]
    metrics: str
    heal: list[str]
    heal_after: Annotated[int, Field(ge=1, le=20)]
    heal_per_hour: Annotated[int, Field(ge=1, le=60)]

    @model_validator(mode="after")
    def confirms_within_its_window(self) -> Self:
        if self.confirm > self.confirm_of:
            refuse([f"confirm: {self.confirm} is more than confirm_of; expected at most that"])
        if self.metrics and not Path(self.metrics).is_absolute():
            refuse([f"metrics: {self.metrics!r} is relative; expected an absolute path"])
        return self


class Limits(Strict):
    """Pairs: from the first number on a probe warns, from the second on it fails."""

    connections_pct: Pair
    replication_lag_s: Pair
    transaction_s: Pair
    archive_s: Pair
    database_gb: Pair
    redis_memory_pct: Pair
    evictions: Pair
    queue_jobs: Pair
    queue_growth: Pair
    waiting_s: Pair
    beat_s: Pair
    restarts: Pair
    log_errors_per_min: Pair
    answer_s: Pair
    certificate_days: Pair
    disk_pct: Pair
    inodes_pct: Pair
    disk_days: Pair
    clock_s: Pair
    drill_days: Pair

    @model_validator(mode="after")
    def warn_before_they_fail(self) -> Self:
        falling = ("certificate_days", "disk_days")
        pairs: dict[str, list[float]] = self.model_dump()
        refuse(
            f"{key}: {warn:g} warns after {fail:g} has failed; expected the milder number first"
            for key, (warn, fail) in pairs.items()
            if (warn < fail if key in falling else warn > fail)
        )
        return self


class Preflight(Strict):
    disk_free_gb: Annotated[float, Field(ge=0)]
    memory_gb: Annotated[float, Field(ge=0)]


class Environment(Strict):
    """One environment: the whole desired state, minus secrets."""

    name: Name
    protected: bool
    approve_within_h: Annotated[int, Field(ge=1, le=720)]
    platform: Platform
    sandbox: Sandbox
    nodes: Nodes
    pigsty: Pigsty
    dify: Dify
    postgres: Postgres
    redis: Redis
    storage: Storage
    docker: Docker
    images: Images
    portal: Portal
    backup: Backup
    secrets: Secrets
    health: Health
    limits: Limits
    preflight: Preflight

    @model_validator(mode="after")
    def sections_agree(self) -> Self:
        rules = (_paths, _ports, _databases, _images, _sizes, _addresses, _nodes, _proxy, _drill)
        refuse(problem for rule in rules for problem in rule(self))
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


def _paths(environment: Environment) -> Iterator[str]:
    if environment.platform.kind != "sandbox":
        repository = environment.backup.repository
        if repository and not environment.backup.remote and not Path(repository).is_absolute():
            yield (
                f"backup.repository: {repository!r} is relative; expected an absolute path, or a "
                "repository of restic like 'sftp:host:/path'"
            )
        for key in ("home", "data"):
            path: Path = getattr(environment.dify, key)
            if not path.is_absolute():
                yield f"dify.{key}: {str(path)!r} is relative; expected an absolute path"


def _ports(environment: Environment) -> Iterator[str]:
    dify, portal = environment.dify, environment.portal
    ports = {"portal.http_port": portal.http_port, "portal.https_port": portal.https_port}
    ports["backup.drill_port"] = environment.backup.drill_port
    direct = ("web_port", "api_port", "plugin_port", "websocket_port")
    for key in ("port",) if portal.route == "stack" else direct:
        ports[f"dify.{key}"] = getattr(dify, key)
    if environment.platform.kind == "sandbox":
        ports["postgres.port"] = environment.postgres.port
        ports["redis.port"] = environment.redis.port
        ports["sandbox.prefect_port"] = environment.sandbox.prefect_port
    owner: dict[int, str] = {}
    for key, port in ports.items():
        if port in owner:
            yield f"{key}: {port} is also {owner[port]}; expected a port of its own"
        owner.setdefault(port, key)


def _databases(environment: Environment) -> Iterator[str]:
    redis, postgres = environment.redis, environment.postgres
    if redis.database == redis.broker_database:
        yield (
            f"redis.broker_database: {redis.database} is also redis.database; expected another "
            "number, so that flushing the cache does not lose queued jobs"
        )
    if postgres.database == postgres.plugin_database:
        yield (
            f"postgres.plugin_database: {postgres.database!r} is also postgres.database; "
            "expected a database of its own"
        )


def _images(environment: Environment) -> Iterator[str]:
    """Elsewhere than in the sandbox a rehearsal is asked for by name, and not where it counts."""
    source = environment.images.source
    if environment.platform.kind == "sandbox":
        return
    if source == "auto" or (source == "rehearsal" and environment.protected):
        yield (
            f"images.source: {source!r} may run rehearsal images; expected 'registry' or "
            "'archive' outside the sandbox platform, or 'rehearsal' where protected is false"
        )


def _sizes(environment: Environment) -> Iterator[str]:
    body, upload = environment.portal.body_size_mb, environment.dify.upload_limit_mb
    if body < upload:
        yield (
            f"portal.body_size_mb: {body} is less than dify.upload_limit_mb; "
            f"expected at least {upload}"
        )


def _addresses(environment: Environment) -> Iterator[str]:
    network = IPv4Network(environment.dify.subnet)
    hosts = {"postgres.host": environment.postgres.host, "redis.host": environment.redis.host}
    for key, host in {"dify.bind": environment.dify.bind, **hosts}.items():
        if not re.search("[a-z]", host) and IPv4Address(host) in network:
            yield (
                f"{key}: {host!r} is inside dify.subnet, which belongs to the containers; "
                "expected an address outside it"
            )


def _nodes(environment: Environment) -> Iterator[str]:
    nodes, count = environment.nodes, len(environment.nodes.dify)
    if environment.platform.kind == "sandbox":
        for key, value in (("admin", [nodes.admin]), ("dify", nodes.dify)):
            if value != [LOCAL]:
                said = ", ".join(value)
                yield f"nodes.{key}: {said!r} is elsewhere; expected 'local' for a sandbox"
    if count > 1 and environment.storage.kind == "local":
        yield (
            f"storage.kind: 'local' keeps uploads apart on each of {count} nodes of nodes.dify; "
            "expected 's3'"
        )
    if len(nodes.addresses) != count and (nodes.addresses or count > 1):
        yield (
            f"nodes.addresses: {len(nodes.addresses)} for {count} nodes of nodes.dify; "
            "expected one address for each, in the same order"
        )
    for address in nodes.addresses if count > 1 else ():
        if IPv4Address(address).is_loopback:
            yield (
                f"nodes.addresses: {address!r} reaches only the node itself; "
                "expected an address the portal reaches"
            )


def _proxy(environment: Environment) -> Iterator[str]:
    docker = environment.docker
    if docker.proxy and environment.platform.kind == "pigsty":
        yield "docker.proxy: Pigsty configures Docker Engine; expected pigsty.proxy instead"
    if "@" in docker.proxy:
        yield (
            "docker.proxy: holds a user name or password; "
            "expected them in a Prefect block that docker.proxy_login names"
        )


def _drill(environment: Environment) -> Iterator[str]:
    backup, redis = environment.backup, environment.redis
    if IPv4Network(backup.drill_subnet).overlaps(IPv4Network(environment.dify.subnet)):
        yield (
            f"backup.drill_subnet: {backup.drill_subnet!r} overlaps dify.subnet; "
            "expected a network of its own"
        )
    numbers = {
        "redis.database": redis.database,
        "redis.broker_database": redis.broker_database,
        "backup.drill_redis": backup.drill_redis,
    }
    for key, number in {
        "drill_redis": backup.drill_redis,
        "drill_broker": backup.drill_broker,
    }.items():
        for other, taken in numbers.items():
            if number == taken and other != f"backup.{key}":
                yield (
                    f"backup.{key}: {number} is also {other}; expected another number, "
                    "since a drill empties it"
                )
