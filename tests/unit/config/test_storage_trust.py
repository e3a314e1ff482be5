"""An object store whose certificate no public authority signed."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from config.desired.compose import render
from config.desired.stack import mounted_files
from config.desired.storage_trust import NAME, PLACE, addresses, is_private
from config.environment import Environment
from config.load import load_environment, load_release

CA = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def environment(endpoint: str = "https://sss.pigsty:9000", **keys: Any) -> Environment:
    tree = load_environment("recipe").model_dump()
    stored = {"kind": "s3", "bucket": "dify", "plugin_bucket": "plugins", "endpoint": endpoint}
    tree["storage"] |= stored | keys
    return Environment.model_validate(tree)


@pytest.mark.parametrize(
    ("endpoint", "private"),
    [
        ("https://sss.pigsty:9000", True),
        ("https://10.0.0.9:9000", True),
        ("https://minio", True),
        ("http://sss.pigsty:9000", False),
        ("https://s3.eu-central-1.wasabisys.com", False),
        ("", False),
    ],
)
def test_a_private_name_needs_the_platforms_authority(endpoint: str, private: bool):
    assert is_private(environment(endpoint)) is private


@pytest.mark.parametrize(
    ("endpoint", "keys", "found"),
    [
        ("https://sss.pigsty:9000", {}, {"sss.pigsty": "10.10.10.10"}),
        ("https://sss.pigsty", {"address": "10.0.0.9"}, {"sss.pigsty": "10.0.0.9"}),
        ("https://minio.corp", {"address": "10.0.0.9"}, {"minio.corp": "10.0.0.9"}),
        (
            "https://sss.pigsty",
            {"address_style": "virtual"},
            dict.fromkeys(["sss.pigsty", "dify.sss.pigsty", "plugins.sss.pigsty"], "10.10.10.10"),
        ),
        ("https://minio.corp", {}, {}),
        ("https://10.0.0.9:9000", {"address": "10.0.0.8"}, {}),
    ],
)
def test_containers_find_a_name_that_dns_does_not_know(
    endpoint: str, keys: dict[str, str], found: dict[str, str]
):
    assert addresses(environment(endpoint, **keys)) == found


def services(its: Environment, authority: str) -> dict[str, dict[str, Any]]:
    release = load_release(its.dify.release)
    text = render(its, release, mounted_files(its, release, {NAME: authority} if authority else {}))
    return YAML(typ="safe").load(text)["services"]


def test_whoever_reaches_the_store_trusts_it_and_nobody_else_is_touched():
    its = environment()
    with_it, without = services(its, CA), services(environment(""), "")
    assert {name for name in with_it if with_it[name] != without[name]} == {
        "api", "worker", "worker_beat", "plugin_daemon"
    }  # fmt: skip
    for name in ("api", "worker"):
        assert with_it[name]["environment"]["AWS_CA_BUNDLE"] == PLACE
    daemon = with_it["plugin_daemon"]["environment"]
    assert daemon["SSL_CERT_DIR"] == "/etc/ssl/certs:/etc/dify-rollout"
    assert "AWS_CA_BUNDLE" not in daemon
    for name in ("api", "worker", "plugin_daemon"):
        (mount,) = [m for m in with_it[name]["volumes"] if m["target"] == PLACE]
        assert mount["source"].endswith(f"/{NAME}") and mount["read_only"]
        assert with_it[name]["extra_hosts"] == ["sss.pigsty:10.10.10.10"]


def test_another_certificate_makes_the_containers_anew():
    its = environment()
    first, second = (services(its, text)["api"]["labels"] for text in (CA, CA + CA))
    assert first != second


def test_a_public_store_gets_nothing():
    its = services(environment("https://s3.eu-central-1.wasabisys.com"), "")
    assert "AWS_CA_BUNDLE" not in its["api"]["environment"] and "extra_hosts" not in its["api"]
