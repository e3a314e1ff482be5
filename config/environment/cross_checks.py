"""What the sections of an environment must agree on, whatever its release."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from config.environment.dify import DIRECT_PORTS
from config.environment.nodes import LOCAL
from config.environment.sections import Sections


def check(environment: Sections) -> Iterator[str]:
    """Every disagreement as `path.to.key: what is wrong; what is expected`."""
    rules = (_paths, _ports, _databases, _tls, _images, _sizes, _addresses, _nodes, _proxy, _drill,
             _certificate, _way_back)  # fmt: skip
    for rule in rules:
        yield from rule(environment)


def _paths(environment: Sections) -> Iterator[str]:
    named = {
        "sandbox.home": environment.sandbox.home,
        "dify.home": environment.dify.home,
        "dify.data": environment.dify.data,
    }
    for key, folder in named.items():
        if "$" in str(folder):
            yield (
                f"{key}: {str(folder)!r} holds a '$', and no variable is filled in; "
                "expected the path itself"
            )
        if ":" in str(folder) or not str(folder).isprintable():
            yield (
                f"{key}: {str(folder)!r} holds a character that a mount of containers does not "
                "take; expected one without ':' and control characters"
            )
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


def _ports(environment: Sections) -> Iterator[str]:
    dify, portal = environment.dify, environment.portal
    ports = {"portal.http_port": portal.http_port, "portal.https_port": portal.https_port}
    if portal.route == "stack":
        ports["dify.port"] = dify.port
    else:
        ports |= {f"dify.direct_ports.{name}": dify.direct_port(name) for name in DIRECT_PORTS}
    ports["backup.drill.port"] = environment.drill.port
    if environment.platform.kind == "sandbox":
        ports["postgres.port"] = environment.postgres.port
        ports["redis.port"] = environment.redis.port
        ports["sandbox.prefect_port"] = environment.sandbox.prefect_port
    owner: dict[int, str] = {}
    for key, port in ports.items():
        if port in owner:
            yield f"{key}: {port} is also {owner[port]}; expected a port of its own"
        owner.setdefault(port, key)


def _databases(environment: Sections) -> Iterator[str]:
    redis, postgres = environment.redis, environment.postgres
    if redis.database == redis.broker_database:
        yield (
            f"redis.broker_database: {redis.database} is also redis.database; expected another "
            "number, so that flushing the cache does not lose queued jobs"
        )
    if redis.user and environment.platform.kind != "external":
        yield (
            f"redis.user: {redis.user!r} is known to a Redis of somebody else's alone; "
            "expected empty, or platform.kind 'external'"
        )
    if postgres.database == postgres.plugin_database:
        yield (
            f"postgres.plugin_database: {postgres.database!r} is also postgres.database; "
            "expected a database of its own"
        )


def _tls(environment: Sections) -> Iterator[str]:
    mode, ca = environment.postgres.sslmode, environment.postgres.ca
    if mode.startswith("verify") and not ca:
        yield (
            f"postgres.ca: '' trusts nobody, and postgres.sslmode is {mode!r}; expected the PEM "
            "file of the authority that signed the server's certificate"
        )
    if ca and not mode.startswith("verify"):
        yield (
            f"postgres.ca: {ca!r} is looked at by nobody with postgres.sslmode {mode!r}; "
            "expected empty, or postgres.sslmode 'verify-full'"
        )


def _images(environment: Sections) -> Iterator[str]:
    """Elsewhere than in the sandbox a rehearsal is asked for by name, and not where it counts."""
    source = environment.images.source
    if environment.platform.kind == "sandbox":
        return
    if source == "auto" or (source == "rehearsal" and environment.protected):
        yield (
            f"images.source: {source!r} may run rehearsal images; expected 'registry' or "
            "'archive' outside the sandbox platform, or 'rehearsal' where protected is false"
        )


def _sizes(environment: Sections) -> Iterator[str]:
    body, upload = environment.portal.body_size_mb, environment.dify.upload_limit_mb
    if body < upload:
        yield (
            f"portal.body_size_mb: {body} is less than dify.upload_limit_mb; "
            f"expected at least {upload}"
        )


def _addresses(environment: Sections) -> Iterator[str]:
    network = IPv4Network(environment.dify.subnet)
    hosts = {"postgres.host": environment.postgres.host, "redis.host": environment.redis.host}
    for key, host in {"dify.bind": environment.dify.bind, **hosts}.items():
        if not re.search("[a-z]", host) and IPv4Address(host) in network:
            yield (
                f"{key}: {host!r} is inside dify.subnet, which belongs to the containers; "
                "expected an address outside it"
            )


def _nodes(environment: Sections) -> Iterator[str]:
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


def _proxy(environment: Sections) -> Iterator[str]:
    docker = environment.docker
    if environment.platform.kind == "pigsty":
        if docker.proxy_login:
            yield (
                "docker.proxy_login: Pigsty keeps the login in its pigsty.yml; "
                "expected it in docker.proxy, like http://user:password@host:port"
            )
    elif "@" in docker.proxy:
        yield (
            "docker.proxy: holds a user name or password; "
            "expected them in a Prefect block that docker.proxy_login names"
        )


def _drill(environment: Sections) -> Iterator[str]:
    drill, redis = environment.drill, environment.redis
    if IPv4Network(drill.subnet).overlaps(IPv4Network(environment.dify.subnet)):
        yield (
            f"backup.drill.subnet: {drill.subnet!r} overlaps dify.subnet; "
            "expected a network of its own"
        )
    numbers = {
        "redis.database": redis.database,
        "redis.broker_database": redis.broker_database,
        "backup.drill.redis": drill.redis,
    }
    for key, number in {"redis": drill.redis, "broker": drill.broker}.items():
        for other, taken in numbers.items():
            if number == taken and other != f"backup.drill.{key}":
                yield (
                    f"backup.drill.{key}: {number} is also {other}; expected another number, "
                    "since a drill empties it"
                )


def _certificate(environment: Sections) -> Iterator[str]:
    portal = environment.portal
    if bool(portal.certificate) != bool(portal.key):
        missing = "key" if portal.certificate else "certificate"
        yield f"portal.{missing}: '' without its other half; expected both files, or neither"
    if not portal.certificate:
        return
    if environment.platform.kind == "external":
        yield "portal.certificate: the portal is not ours to serve it; expected empty"
    if not portal.tls:
        yield "portal.certificate: portal.tls is false, so nothing would present it; expected empty"
    if environment.pigsty.certbot:
        yield "pigsty.certbot: portal.certificate gives one already; expected false"


def _way_back(environment: Sections) -> Iterator[str]:
    if environment.upgrade.way_back == "cluster" and environment.platform.kind != "pigsty":
        yield (
            "upgrade.way_back: 'cluster' goes back by the archive of Pigsty's cluster; "
            "expected 'point', or platform.kind 'pigsty'"
        )
