"""What the containers of another Dify say of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.environment import Environment
from config.errors import StepError
from config.load import load_environment, load_release
from config.release import S3
from config.rules.adoptable import Store
from config.secrets import generate
from tasks.adoption.facts import entries, shared
from tasks.adoption.left_over import left_over
from tasks.adoption.origin import Origin, as_site
from tasks.core.site import Site
from tasks.platforms.external.platform import External
from tests.unit.tasks.adoption.members import member, official, pigsty_app


@pytest.fixture
def site() -> Site:
    environment = load_environment("staging", release="1.15.0")
    release = load_release("1.15.0")
    return Site(environment, release, generate(release, {"admin_password": SecretStr("a1" * 8)}))


def there(site: Site, origin: Origin) -> Site:
    return as_site(origin, site, Path("/copies"))


def test_places_that_the_environment_has_in_common_are_named(site: Site) -> None:
    origin = Origin("dify", pigsty_app())
    apart = {"one_postgres": False, "one_redis": False}
    assert shared(site, origin, there(site, origin), **apart) == ("dify.home", "dify.data")
    tree = site.environment.model_dump()
    tree["dify"] |= {"home": "/opt/own", "data": "/data/own"}
    tree["postgres"] |= {"user": "dify"}
    tree["redis"] |= {"database": 0, "broker_database": 1}
    own = site.replace(environment=Environment.model_validate(tree))
    found = shared(own, origin, there(own, origin), one_postgres=True, one_redis=True)
    assert found == (
        *("postgres.user", "postgres.database", "postgres.plugin_database"),
        *("redis.database", "redis.broker_database"),
    )
    assert shared(own, origin, there(own, origin), **apart) == ()


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("langgenius/dify-api:1.15.0", "1.15.0"),
        ("mirror.local:5000/langgenius/dify-api:1.15.0@sha256:00", "1.15.0"),
        ("dify-api:v0.6.11", "0.6.11"),
        ("langgenius/dify-api@sha256:00", ""),
        ("langgenius/dify-api", ""),
    ],
)
def test_the_version_is_the_images(image: str, version: str) -> None:
    assert Origin("dify", (member("api", image),)).version == version


@pytest.mark.parametrize("image", ["my-dify-api-client:1", "langgenius/dify-apis:1", "nginx"])
def test_what_has_no_api_is_no_dify(image: str) -> None:
    with pytest.raises(StepError, match="has no container of the image dify-api"):
        _ = Origin("dify", (member("api", image),)).api


@pytest.mark.parametrize(
    ("database", "services", "plugins"),
    [("dify", (), "dify_plugin"), ("chat", (), "chat_plugin"), ("chat", ("daemon",), "of_daemon")],
)
def test_plugins_of_before_1_0_are_not_looked_for_in_another_difys_database(
    site: Site, database: str, services: Sequence[str], plugins: str
) -> None:
    api = member("api", "langgenius/dify-api:0.6.11", settings={"DB_DATABASE": database})
    given = {"DB_DATABASE": "of_daemon"}
    daemons = [member(s, "langgenius/dify-plugin-daemon:0.6.3", settings=given) for s in services]
    postgres = there(site, Origin("dify", (api, *daemons))).environment.postgres
    assert (postgres.database, postgres.plugin_database) == (database, plugins)


def test_pigstys_app_is_read_where_its_state_is(site: Site) -> None:
    origin = Origin("dify", pigsty_app())
    found = there(site, origin)
    postgres, redis = found.environment.postgres, found.environment.redis
    assert (postgres.host, postgres.port, postgres.user) == ("10.10.10.10", 5432, "dify")
    assert (postgres.database, postgres.plugin_database) == ("dify", "dify_plugin")
    assert (redis.host, redis.port, redis.broker_database) == ("172.18.0.2", 6379, 1)
    assert origin.state(site.release) == {
        "storage": "/data/dify/app/storage",
        "plugin_daemon": "/data/dify/plugin_daemon",
    }
    assert found.release.state["storage"].path == "/data/dify/app/storage"
    assert found.name == site.name and not found.platform.administered(found)
    assert [each.service for each in origin.keepers] == ["redis"]


def test_how_its_servers_are_reached_is_its_own(site: Site) -> None:
    tree = site.environment.model_dump()
    tree["postgres"]["sslmode"] = "require"
    own = site.replace(environment=Environment.model_validate(tree))
    plain = there(own, Origin("dify", pigsty_app())).environment
    assert (plain.postgres.sslmode, plain.redis.user) == ("prefer", "")
    given = {"PGSSLMODE": "verify-full", "REDIS_USERNAME": "dify"}
    other = there(own, Origin("dify", pigsty_app(**given))).environment
    assert (other.postgres.sslmode, other.redis.user) == ("require", "dify")


def test_the_official_ones_database_is_asked_at_its_container(site: Site) -> None:
    origin = Origin("docker", official())
    assert there(site, origin).environment.postgres.host == "172.18.0.3"
    assert sorted(each.service for each in origin.keepers) == ["db_postgres", "redis"]


def test_a_bucket_is_the_one_its_containers_have(site: Site) -> None:
    assert Origin("dify", pigsty_app()).store is None
    given = {"STORAGE_TYPE": "s3", "S3_ENDPOINT": "http://redis:9000", "S3_BUCKET_NAME": "files",
             "S3_REGION": "r", "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "published"}  # fmt: skip
    origin = Origin("dify", pigsty_app(**given))
    assert origin.store == Store("http://redis:9000", "r", "files", "", "auto")
    assert origin.holder("http://redis:9000") == "dify_redis_1"
    assert origin.holder("http://10.10.10.10:9000") == ""
    tree = site.environment.model_dump()
    tree["storage"] |= {"kind": "s3", "bucket": "files", "plugin_bucket": "plugins"}
    keys = {name: SecretStr("own") for name in S3}
    own = site.replace(
        environment=Environment.model_validate(tree), secrets={**site.secrets, **keys}
    )
    assert there(own, origin).environment.storage == own.environment.storage
    assert there(own, origin).secrets["s3_secret_key"].get_secret_value() == "own"
    assert there(own, Origin("dify", pigsty_app())).environment.storage.kind == "local"


class Portal(External):
    """One that serves the domain by these files."""

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self.files = files

    def serving(self, site: Site) -> Mapping[str, Sequence[str]]:
        return self.files


@pytest.mark.parametrize(
    ("leads", "to_it"),
    [
        (["127.0.0.1:5001"], True),
        (["10.10.10.10:5001", "localhost:5001"], True),
        (["127.0.0.1:5002"], False),
        (["10.10.10.99:5001"], False),
        (["127.0.0.1:5001", "127.0.0.1:8000"], False),
        ([], False),
    ],
)
def test_a_file_of_the_portal_is_its_own_where_all_of_it_leads_to_its_ports(
    site: Site, monkeypatch: pytest.MonkeyPatch, leads: list[str], to_it: bool
) -> None:
    monkeypatch.setattr(Site, "platform", Portal({"ai.conf": leads}))
    nodes = site.environment.nodes.model_copy(update={"addresses": ["10.10.10.10"]})
    own = site.replace(environment=site.environment.model_copy(update={"nodes": nodes}))
    found = entries(own, Origin("dify", pigsty_app()))
    assert found == ((("ai.conf",), ()) if to_it else ((), ("ai.conf",)))


def test_what_stays_of_it_is_named_for_a_person(site: Site) -> None:
    files, databases = left_over(site, Origin("dify", pigsty_app()))
    assert files == "its files stay: /opt/dify, /data/dify/app/storage, /data/dify/plugin_daemon"
    assert "stay on 10.10.10.10:5432" in databases and 'DROP ROLE "dify";' in databases
    assert "difyai123456" not in databases
    assert len(left_over(site, Origin("docker", official()))) == 1


def test_a_private_key_is_carried_and_a_published_one_is_not(site: Site) -> None:
    private = there(site, Origin("dify", pigsty_app(SECRET_KEY="of-its-own"))).secrets
    public = there(site, Origin("dify", pigsty_app())).secrets
    assert private["secret_key"].get_secret_value() == "of-its-own"
    assert "secret_key" not in public
    assert public["admin_password"] == private["admin_password"] == site.secrets["admin_password"]


def test_what_anybody_can_read_is_named_without_its_value() -> None:
    assert Origin("dify", pigsty_app()).unsafe == ["SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD"]
    assert "difyai123456" not in repr(pigsty_app())
