import base64
import itertools
import string

import pytest
from pydantic import SecretStr

from config.load import load_environment, load_release, release_names
from config.release import Secret
from config.secrets import generate, required

SHIPPED = (
    "sk-9f73s3lj", "difyai123456", "lYkiYYT6owG+71oL", "QaHbTe77CtuX", "dify-sandbox", "WVF5YTha",
)  # fmt: skip
ALPHABETS = {
    "letters": set(string.ascii_letters + string.digits),
    "base64": set(string.ascii_letters + string.digits + "+/"),
    "base64url": set(string.ascii_letters + string.digits + "-_"),
}


@pytest.mark.parametrize("version", release_names())
def test_new_secrets_are_strong_and_differ(version):
    release = load_release(version)
    first, second = (
        {k: v.get_secret_value() for k, v in generate(release, {}).items()} for _ in range(2)
    )
    assert set(first) == set(release.secrets)
    assert len({*first.values(), *second.values()}) == 2 * len(first)
    for name, form in release.secrets.items():
        assert len(first[name]) == form.characters
        assert form.characters >= (24 if "password" in name else 32)
        assert set(first[name]) <= ALPHABETS[form.form]
        assert not any(default in first[name] for default in SHIPPED)


@pytest.mark.parametrize("number", [16, 32, 33])
def test_a_key_is_so_many_bytes_without_padding(release, number):
    form = Secret(form="base64url", bytes=number)
    of_keys = release.model_copy(update={"secrets": {"key": form}})
    text = generate(of_keys, {})["key"].get_secret_value()
    assert len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) == number
    assert len(text) == form.characters and "=" not in text


@pytest.mark.parametrize("version", release_names())
def test_passwords_fit_what_dify_takes(monkeypatch, version):
    release = load_release(version)
    drawn = itertools.chain("a" * 24, "1" * 24, itertools.cycle("a1"))
    monkeypatch.setattr("config.secrets.random.choice", lambda _: next(drawn))
    have = {name: SecretStr("x") for name in release.secrets if name != "admin_password"}
    assert generate(release, have)["admin_password"].get_secret_value() == "a1" * 12
    assert release.secrets["init_password"].characters <= 30


def test_what_is_there_never_changes(release):
    have = {"redis_password": SecretStr("mine"), "of_another_release": SecretStr("kept")}
    made = generate(release, have)
    assert {name: made[name] for name in have} == have
    assert generate(release, made) == made


def test_keys_of_s3_are_given_by_the_operator(release, changed):
    environment = load_environment("sandbox")
    assert required(environment, release) == list(release.secrets)
    s3 = {"kind": "s3", "bucket": "dify-a", "plugin_bucket": "dify-b"}
    names = required(changed(environment, storage=s3), release)
    assert names == [*release.secrets, "s3_access_key", "s3_secret_key"]
    assert not {"s3_access_key", "s3_secret_key"} & set(generate(release, {}))


def test_secrets_are_not_printed(release):
    made = generate(release, {})
    assert not any(value.get_secret_value() in repr(made) for value in made.values())
