"""A PostgreSQL whose certificate a private authority signed."""

from ruamel.yaml import YAML

from config.desired import storage_trust
from config.desired.compose import render
from config.desired.postgres_trust import NAME, PLACE
from config.desired.stack import mounted_files

CA = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def services(environment, release, **authorities):
    text = render(environment, release, mounted_files(environment, release, authorities))
    return YAML(typ="safe").load(text)["services"]


def test_whoever_asks_postgresql_has_the_authority_and_nobody_else_is_touched(environment, release):
    with_it = services(environment, release, **{NAME: CA})
    without = services(environment, release)
    assert {name for name in with_it if with_it[name] != without[name]} == {
        "api", "api_websocket", "worker", "worker_beat", "plugin_daemon",
    }  # fmt: skip
    for name in ("api", "worker", "plugin_daemon"):
        assert with_it[name]["environment"]["PGSSLROOTCERT"] == PLACE
        (mount,) = [m for m in with_it[name]["volumes"] if m["target"] == PLACE]
        assert mount["source"].endswith(f"/{NAME}") and mount["read_only"]


def test_another_authority_makes_the_containers_anew(environment, release):
    first, second = (services(environment, release, **{NAME: text}) for text in (CA, CA + CA))
    assert first["api"]["labels"] != second["api"]["labels"]


def test_it_is_not_where_the_plugin_daemon_trusts_everything(environment, release):
    both = services(environment, release, **{NAME: CA, storage_trust.NAME: CA})
    folder = both["plugin_daemon"]["environment"]["SSL_CERT_DIR"].split(":")[-1]
    assert PLACE.rpartition("/")[0] != folder == storage_trust.PLACE.rpartition("/")[0]
