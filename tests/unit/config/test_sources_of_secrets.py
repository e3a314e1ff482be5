"""Where an environment's file may say its secrets stand."""

import pytest

from config.errors import ConfigError
from config.load import load_environment

SECRET = "hunter2-very-secret"


def with_sources(folder, text: str):
    (folder / "own.toml").write_text(
        "[postgres]\nhost = '10.0.0.1'\n[redis]\nhost = '10.0.0.1'\n"
        f"[secrets]\nsources = {{ {text} }}\n"
    )
    return load_environment("own", folder)


@pytest.mark.parametrize(
    "source",
    [
        "env:REDIS_PASSWORD",
        "file:/etc/dify-rollout/redis",
        "credential:redis.prod",
        "block:redis-login/prod.password",
        "block:secret/redis.value",
    ],
)
def test_a_source_is_named_by_its_kind(folder, source: str) -> None:
    found = with_sources(folder, f'redis_password = "{source}"')
    assert found.secrets.sources == {"redis_password": source}


@pytest.mark.parametrize(
    "source", [SECRET, f"value:{SECRET}", f"env:{SECRET}", f"file:{SECRET}", f"block:{SECRET}"]
)
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(folder, source: str) -> None:
    with pytest.raises(ConfigError) as refused:
        with_sources(folder, f'redis_password = "{source}"')
    text = str(refused.value)
    assert "secrets.sources.redis_password: this is no source of a secret; expected" in text
    assert SECRET not in text


def test_only_secrets_of_the_environment_have_a_source(folder) -> None:
    with pytest.raises(ConfigError, match="'redis_pasword' is no secret of this environment"):
        with_sources(folder, 'redis_pasword = "env:X"')
    with_sources(folder, 'AWS_ACCESS_KEY_ID = "env:X"')
