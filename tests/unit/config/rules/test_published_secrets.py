import pytest
from pydantic import SecretStr

from config.load import load_release, release_names
from config.rules.published_secrets import PUBLISHED, published
from config.secrets import generate


@pytest.mark.parametrize("value", sorted(PUBLISHED))
def test_a_default_of_a_published_file_is_named(value):
    values = {"redis_password": SecretStr("x" * 32), "secret_key": SecretStr(value)}
    assert published(values, values) == ["secret_key"]


@pytest.mark.parametrize("version", release_names())
def test_what_is_made_here_is_not_published(version):
    values = generate(load_release(version), {})
    assert published(values, [*values, "unknown"]) == []
