import string
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import SecretStr

from config.desired import env_file
from config.errors import StepError
from config.load import load_environment, load_release
from config.secrets import generate

PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
VALUES = st.text(PRINTABLE, max_size=40)
KEYS = st.text(string.ascii_uppercase + "_", min_size=1, max_size=12)


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_what_is_written_is_read_back(values):
    assert env_file.parse(env_file.render(values)) == values


@given(VALUES)
def test_a_value_takes_one_line(value):
    assert env_file.render({"KEY": value}).count("\n") == 2


@pytest.mark.parametrize("value", ["a\nb", "a\r", "a\tb", "\0", "\x1b[0m", "\x7f", "a\u2028b"])
def test_what_cannot_be_carried_is_refused_without_being_shown(value):
    with pytest.raises(StepError) as refused:
        env_file.render({"SECRET_KEY": value})
    assert str(refused.value) == (
        "settings: the value of SECRET_KEY holds a line break or another character that cannot be "
        "printed, which no .env file can carry to a container\n"
        "  do: give it a value of printable characters"
    )


TYPED = [
    ("A=b", "b"),
    ("A = b ", "b"),
    ("export A=b", "b"),
    ("  A=b", "b"),
    ("A: b", "b"),
    ("A=", ""),
    ("A=b # why", "b"),
    ("A=b#c", "b#c"),
    ("A= # why", "# why"),
    ("A=#b", "#b"),
    ("A='b $c \"d\"'", 'b $c "d"'),
    ('A="b # c" # why', "b # c"),
    ('A="b\\n\\"c\\" \\$d \\\\"', 'b\n"c" $d \\'),
    ('A="b\nc"', "b\nc"),
    ("A=b=c", "b=c"),
    ("A=b\r", "b"),
]


@pytest.mark.parametrize(("line", "value"), TYPED)
def test_lines_people_type_are_read_too(line, value):
    assert env_file.parse(f"# A=comment\n\nB=1\n{line}\nC=2\n") == {"B": "1", "A": value, "C": "2"}


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n#comments=1\n", "no assignment\n"])
def test_nothing_to_read(text):
    assert env_file.parse(text) == {}


def test_the_last_of_two_lines_counts():
    assert env_file.parse("A=1\nA=2\n") == {"A": "2"}


def test_keys_that_hold_a_secret(release):
    assert env_file.secret_keys(release) == {
        "SECRET_KEY", "INIT_PASSWORD", "DB_PASSWORD", "REDIS_PASSWORD", "CELERY_BROKER_URL",
        "PGVECTOR_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "CODE_EXECUTION_API_KEY",
        "PLUGIN_DAEMON_KEY", "INNER_API_KEY_FOR_PLUGIN", "PLUGIN_AWS_ACCESS_KEY",
        "PLUGIN_AWS_SECRET_KEY", "ROLLOUT_ADMIN_PASSWORD",
        "REDIS_SENTINEL_PASSWORD", "CELERY_SENTINEL_PASSWORD",
    }  # fmt: skip


@pytest.mark.parametrize("version", ["0.6.11", "1.15.0"])
def test_no_other_key_shows_a_secret(environment, version):
    release = load_release(version)
    secrets = generate(release, {})
    settings = env_file.settings(environment, release, secrets)
    for key in settings.keys() - env_file.secret_keys(release):
        assert not any(s.get_secret_value() in settings[key] for s in secrets.values()), key


ENVIRONMENT = load_environment("sandbox")
RELEASES = [load_release(version) for version in ("0.6.11", "1.15.0")]


@limits(max_examples=40)
@given(VALUES.filter(bool), st.sampled_from(RELEASES))
def test_any_password_survives_the_broker_url(password, release):
    secrets = generate(release, {"redis_password": SecretStr(password)})
    settings = env_file.settings(ENVIRONMENT, release, secrets)
    url = urlsplit(settings["CELERY_BROKER_URL"])
    assert unquote(url.password or "") == password
    assert (url.hostname, url.port, url.path) == ("172.17.0.1", 16379, "/1")
    assert set(settings["CELERY_BROKER_URL"]) <= set(
        string.ascii_letters + string.digits + ":/@.%-_~"
    )
    assert settings["REDIS_PASSWORD"] == password


@pytest.mark.parametrize("version", ["0.6.11", "1.15.0", "1.16.1", "1.17.1"])
def test_an_acl_user_of_redis_gets_to_every_part(changed, version):
    release = load_release(version)
    given = {"platform": {"kind": "external"}, "images": {"source": "registry"}}
    environment = changed(ENVIRONMENT, **given, redis={"user": "di@fy:1"})
    settings = env_file.settings(environment, release, generate(release, {}))
    urls = [value for value in settings.values() if value.startswith("redis://")]
    assert settings["REDIS_USERNAME"] == "di@fy:1"
    assert len(urls) == (2 if "DIFY_AGENT_REDIS_URL" in settings else 1)
    assert {unquote(urlsplit(url).username or "") for url in urls} == {"di@fy:1"}


@pytest.mark.parametrize(
    ("mode", "plugin"),
    [("prefer", "disable"), ("require", "require"), ("verify-full", "require")],
)
def test_tls_to_postgresql_is_asked_for_by_every_part(changed, release, mode, plugin):
    ca = "/ca.crt" if mode.startswith("verify") else ""
    environment = changed(ENVIRONMENT, postgres={"sslmode": mode, "ca": ca})
    settings = env_file.settings(environment, release, generate(release, {}))
    assert (settings["PGSSLMODE"], settings["DB_SSL_MODE"]) == (mode, plugin)
    assert release.services["plugin_daemon"].environment["DB_SSL_MODE"] == "${DB_SSL_MODE}"
    assert {"database"} <= set(release.services["worker"].env)


@limits(max_examples=40)
@given(VALUES.filter(bool))
def test_the_original_recipe_gets_its_database_password_encoded(password):
    secrets = generate(RELEASES[0], {"postgres_password": SecretStr(password)})
    settings = env_file.settings(ENVIRONMENT, RELEASES[0], secrets)
    assert unquote(settings["DB_PASSWORD"]) == password
    assert not set(settings["DB_PASSWORD"]) & set("@/:?# ")
    assert settings["PGVECTOR_PASSWORD"] == password


def test_numbers_and_choices_become_text(environment, release, secrets):
    settings = env_file.settings(environment, release, secrets)
    assert settings["DB_PORT"] == "15432"
    assert settings["STORAGE_TYPE"] == "opendal"
    assert settings["S3_ACCESS_KEY"] == settings["S3_SECRET_KEY"] == ""
    assert settings["ENDPOINT_URL_TEMPLATE"] == "https://dify.test:8443/e/{hook_id}"


def test_storage_on_s3(environment, release, changed):
    s3 = {
        "kind": "s3", "bucket": "dify-a", "plugin_bucket": "dify-b",
        "endpoint": "http://10.0.0.9:9000", "address_style": "path",
    }  # fmt: skip
    given_keys = {"s3_access_key": SecretStr("AK"), "s3_secret_key": SecretStr("SK")}
    secrets = generate(release, given_keys)
    settings = env_file.settings(changed(environment, storage=s3), release, secrets)
    assert {key: settings[key] for key in settings if "S3" in key or "AWS" in key} == {
        "S3_ENDPOINT": "http://10.0.0.9:9000",
        "S3_REGION": "us-east-1",
        "S3_BUCKET_NAME": "dify-a",
        "S3_ADDRESS_STYLE": "path",
        "S3_ACCESS_KEY": "AK",
        "S3_SECRET_KEY": "SK",
        "PLUGIN_S3_USE_AWS": "false",
        "PLUGIN_S3_ENDPOINT": "http://10.0.0.9:9000",
        "PLUGIN_S3_USE_PATH_STYLE": "true",
        "PLUGIN_AWS_REGION": "us-east-1",
        "PLUGIN_AWS_ACCESS_KEY": "AK",
        "PLUGIN_AWS_SECRET_KEY": "SK",
    }
    assert (settings["STORAGE_TYPE"], settings["PLUGIN_STORAGE_TYPE"]) == ("s3", "aws_s3")


def test_keys_of_a_bucket_it_has_left_stand_in_no_file(environment, release, secrets):
    left = {name: SecretStr("left behind") for name in ("s3_access_key", "s3_secret_key")}
    settings = env_file.settings(environment, release, {**secrets, **left})
    assert settings == env_file.settings(environment, release, secrets)


@pytest.mark.parametrize(
    ("portal", "public", "socket"),
    [
        ({}, "https://dify.test:8443", "wss://dify.test:8443"),
        ({"https_port": 443}, "https://dify.test", "wss://dify.test"),
        ({"tls": False}, "http://dify.test:8080", "ws://dify.test:8080"),
        ({"tls": False, "http_port": 80}, "http://dify.test", "ws://dify.test"),
    ],
)
def test_urls_are_those_people_open(environment, release, secrets, changed, portal, public, socket):
    settings = env_file.settings(changed(environment, portal=portal), release, secrets)
    for key in ("CONSOLE_API_URL", "CONSOLE_WEB_URL", "APP_API_URL", "FILES_URL", "TRIGGER_URL"):
        assert settings[key] == public
    assert settings["NEXT_PUBLIC_SOCKET_URL"] == socket


@pytest.mark.parametrize(("services", "value"), [([], "false"), (["api_websocket"], "true")])
def test_people_edit_together_only_where_the_websocket_service_runs(
    environment, release, secrets, changed, services, value
):
    settings = env_file.settings(
        changed(environment, dify={"services": services}), release, secrets
    )
    assert settings["ENABLE_COLLABORATION_MODE"] == value
