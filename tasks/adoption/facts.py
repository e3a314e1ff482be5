"""What another Dify's own database and folders say of it; nothing is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from clients.command import Command
from clients.dify import Dify, DifyError
from clients.postgres import Connection, DatabaseMissing
from config.errors import RolloutError
from config.load import release_names
from config.pigsty import dify_addresses
from config.rules.adoptable import Found, Store
from tasks.adoption.origin import Origin
from tasks.adoption.same_server import is_one_postgres, is_one_redis
from tasks.adoption.vectors import asked
from tasks.core import release_file
from tasks.core.site import Site
from tasks.points.buckets import buckets, service
from tasks.points.databases import session_database

API_PORT = 5001
_HERE = ("127.0.0.1", "localhost", "[::1]")
_DU_S = 600
_SUPERUSER = "SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolsuper"


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides whether it can be taken over; sizes in bytes, `folders` by where they lie.

    `portal`: the files of the portal by which the environment's domain leads to it.
    """

    found: Found
    database: int
    folders: dict[str, int]
    superuser: bool
    portal: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        return sum(self.folders.values())


def ask(site: Site, origin: Origin, there: Site, *, re_embed: bool) -> Facts:
    """Of the other Dify, as `there` reads it, for the environment of `site`.

    Raises:
        PostgresUnreachable, PostgresRefused: its database cannot be asked.
    """
    state, postgres = origin.state(site.release), there.environment.postgres
    with session_database(there).connect() as connection:
        database = _number(connection, "SELECT pg_database_size(current_database())")
        superuser = _number(connection, _SUPERUSER)
        account = _account(connection, site.environment.dify.admin_email)
        vectors = asked(connection, origin)
    given = origin.settings
    vectors_at = given.get("PGVECTOR_HOST"), given.get("PGVECTOR_DATABASE")
    store, here = origin.store, own_store(site)
    portal, elsewhere = entries(site, origin)
    namesake = f"{site.environment.dify.project}.conf"
    found = Found(
        environment=site.name,
        project=origin.project,
        version=origin.version,
        release=site.release.version,
        known=origin.version in release_names(),
        storage=given.get("STORAGE_TYPE", ""),
        store=store,
        inside=origin.holder(store.endpoint) if store else "",
        here=here,
        closed=_closed(site) if store and here and here.is_that_of(store) else "",
        packages=_packages(there, state) if store and not store.plugins else "",
        plugins=_without_plugins(there),
        shared=_shared(site, origin, there),
        unmounted=tuple(n for n in site.release.state if n not in state and not _in(store, n)),
        vectors=vectors,
        beside=vectors_at == (given.get("DB_HOST"), postgres.database),
        re_embed=re_embed,
        email=site.environment.dify.admin_email,
        account=account,
        password=account and logs_in(site, origin),
        served=elsewhere,
        namesake=namesake if namesake in portal else "",
    )
    sizes = _sizes(site, sorted(set(state.values())))
    return Facts(found, database, sizes, bool(superuser), portal)


def own_store(site: Site) -> Store | None:
    """The buckets of the environment; None if its files are in folders."""
    own = site.environment.storage
    if own.kind != "s3":
        return None
    return Store(own.endpoint, own.region, own.bucket, own.plugin_bucket, own.address_style)


def _in(store: Store | None, name: str) -> bool:
    """Whether the folder of that name is a bucket there."""
    return bool(store and (store.bucket if name == "storage" else store.plugins))


def _closed(site: Site) -> str:
    """Why a bucket of the environment cannot be listed with its keys; empty: they can."""
    try:
        for name in buckets(site).values():
            service(site, name).check()
    except RolloutError as error:
        return str(error)
    return ""


def _packages(there: Site, state: Mapping[str, str]) -> str:
    """The folder of its plugins, if it has installed some."""
    try:
        with session_database(there, plugin=True).connect() as connection:
            if _number(connection, "SELECT count(to_regclass('plugin_installations'))"):
                some = _number(connection, "SELECT count(*) FROM plugin_installations")
                return state.get("plugin_daemon", "its plugin daemon") if some else ""
    except DatabaseMissing:
        pass
    return ""


def entries(site: Site, origin: Origin) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files by which the portal serves the environment's domain: to this Dify, and elsewhere."""
    hosts = (*_HERE, site.environment.dify.bind, *dify_addresses(site.environment))
    own = {f"{host}:{port}" for host in hosts for port in origin.ports}
    found = {name: set(to) for name, to in site.platform.serving(site).items()}
    leading = {name for name, to in found.items() if to and to <= own}
    elsewhere = set(found) - leading
    if release_file.read(site.environment, site.node).version:
        elsewhere.discard(f"{site.environment.dify.project}.conf")  # what it has deployed itself
    return tuple(sorted(leading)), tuple(sorted(elsewhere))


def _shared(site: Site, origin: Origin, there: Site) -> tuple[str, ...]:
    """Its servers are asked which they are."""
    one_postgres, one_redis = is_one_postgres(site, there), is_one_redis(site, there)
    return shared(site, origin, there, one_postgres=one_postgres, one_redis=one_redis)


def shared(
    site: Site, origin: Origin, there: Site, *, one_postgres: bool, one_redis: bool
) -> tuple[str, ...]:
    """Keys of the environment that name a place of the other Dify, on one server or two."""
    data, state = site.environment.dify.data, origin.state(site.release).values()
    own, other = site.environment.postgres, there.environment.postgres
    redis, queues = site.environment.redis, there.environment.redis
    names = other.database, other.plugin_database
    numbers = queues.database, queues.broker_database
    inside = [Path(place) for place in state if _overlap(Path(place), data)]
    found = {
        "dify.home": origin.folder == str(site.environment.dify.home),
        "dify.data": bool(inside),
        "postgres.user": one_postgres and own.user == other.user,
        "postgres.database": one_postgres and own.database in names,
        "postgres.plugin_database": one_postgres and own.plugin_database in names,
        "redis.database": one_redis and redis.database in numbers,
        "redis.broker_database": one_redis and redis.broker_database in numbers,
    }
    return tuple(key for key, same in found.items() if same)


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _account(connection: Connection, email: str) -> bool:
    query = "SELECT count(*) FROM accounts WHERE email = %s"
    row = connection.execute(query, [email]).fetchone()
    return bool(row and row[0])


def logs_in(site: Site, origin: Origin) -> bool:
    """Whether the other Dify's API takes the environment's login; asked at its container.

    Raises:
        DifyError: it could not be asked.
    """
    with open_api(site, origin) as client:
        try:
            client.login(site.environment.dify.admin_email, site.secret("admin_password"))
        except DifyError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            return False
    return True


def open_api(site: Site, origin: Origin) -> Dify:
    """The other Dify, asked at its container."""
    url = f"http://{origin.address(origin.api.service)}:{API_PORT}"
    return Dify(url, site.release.api, patience=site.within(1))


def answers(site: Site, origin: Origin) -> bool:
    """Whether the other Dify's API answers from its database."""
    try:
        with open_api(site, origin) as client:
            return client.status().set_up
    except DifyError:
        return False


def _without_plugins(there: Site) -> str:
    """The SQL that makes the database of plugins; empty where there is one."""
    database = session_database(there, plugin=True)
    try:
        with database.connect():
            return ""
    except DatabaseMissing:
        return f'CREATE DATABASE "{database.database}" OWNER "{database.user}";'


def _number(connection: Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _sizes(site: Site, folders: Sequence[str]) -> dict[str, int]:
    words = ("du", "--summarize", "--bytes", *folders)
    done = site.node.attempt(Command(words, changes=False, timeout_s=_DU_S)) if folders else None
    lines = done.stdout.splitlines() if done else []
    return {path: int(size) for size, path in (line.split("\t", 1) for line in lines)}
