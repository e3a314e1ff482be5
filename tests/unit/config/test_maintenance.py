"""The page of maintenance as nginx's text; tests/integration/test_maintenance.py shows it."""

from fnmatch import fnmatchcase

from config.desired.maintenance import TEXTS, include, included_name, maintenance_file, page
from config.desired.portal import entry_config, server_block
from tests.unit.config.test_nginx import CERTIFICATE, KEY


def test_the_page_speaks_the_languages_of_difys_users():
    assert {"en", "zh-Hans", "ja"} <= set(TEXTS)
    for language, text in TEXTS.items():
        assert f'<p lang="{language}">{text}</p>' in page()


def test_nothing_of_the_page_means_something_to_nginx():
    """It is one word between single quotes, which nginx takes up to 4096 bytes of."""
    assert not set("'$\\\n;") & (set(page()) - {";"})
    assert len(page().encode()) < 3500


def test_only_the_machine_of_the_portal_gets_past_it(environment):
    text = maintenance_file(environment, ["127.0.0.1", "::1", "10.10.10.10"])
    assert r'if ($remote_addr ~ "^(127\.0\.0\.1|::1|10\.10\.10\.10)$") {' in text


def test_both_ways_to_serve_the_domain_include_it_where_it_is(environment, release):
    """By a pattern that fits this name alone: a missing file of a fixed name is an error."""
    wanted = "include conf.d/dify-sandbox.maintenanc[e];"
    assert include(environment) == wanted
    assert fnmatchcase(f"conf.d/{included_name(environment)}", wanted.split()[1].rstrip(";"))
    assert wanted in server_block(environment, release, CERTIFICATE, KEY)
    assert entry_config(environment).endswith(wanted)
