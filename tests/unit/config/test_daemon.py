import json

import pytest

from config.desired.daemon import environment_file, proxies, with_proxies

PROXY = {"proxy": "http://proxy.example.com:3128"}


@pytest.fixture
def wanted(environment, changed):
    return proxies(changed(environment, docker=PROXY), "me", "p@ss/word")


def test_a_login_becomes_part_of_the_url_and_is_masked_where_it_is_shown(wanted) -> None:
    assert wanted.url.get_secret_value() == "http://me:p%40ss%2Fword@proxy.example.com:3128"
    assert wanted.masked == "http://xxxxx:xxxxx@proxy.example.com:3128"
    assert wanted.secret
    assert "word" not in repr(wanted)


def test_without_a_login_there_is_nothing_to_hide(environment, changed) -> None:
    open_to_all = proxies(changed(environment, docker=PROXY))
    assert open_to_all.masked == open_to_all.url.get_secret_value() == PROXY["proxy"]
    assert not open_to_all.secret


def test_state_nodes_and_more_are_reached_without_the_proxy(environment, changed) -> None:
    mine = changed(
        environment,
        docker=PROXY | {"no_proxy": ["registry.example.com", "127.0.0.0/8"]},
        platform={"kind": "external"},
        nodes={"dify": ["root@10.0.0.7"], "addresses": ["10.0.0.8"]},
        storage={"kind": "s3", "endpoint": "https://s3.example.com:9000",
                 "bucket": "abc", "plugin_bucket": "def"},
        dify={"home": "/opt/dify", "data": "/data/dify"},
        images={"source": "registry"},
    )  # fmt: skip
    names = proxies(mine).no_proxy.split(",")
    assert len(names) == len(set(names))
    assert {
        "localhost", "127.0.0.0/8", "::1", mine.postgres.host, mine.redis.host, "10.0.0.7",
        "10.0.0.8", "s3.example.com", mine.dify.subnet, mine.portal.domain, "registry.example.com",
    } <= set(names)  # fmt: skip


def test_other_keys_of_daemon_json_stay_where_they_are(wanted) -> None:
    text = '{\n    "data-root": "/srv/ünï",\n    "proxies": {"no-proxy": "x", "ftp-proxy": "f"}\n}'
    laid = with_proxies(text, wanted, into_file=True)
    assert laid.startswith('{\n    "data-root": "/srv/ünï",\n    "proxies": {\n        "no-proxy"')
    settings = json.loads(laid)
    assert settings["proxies"]["https-proxy"] == wanted.url.get_secret_value()
    assert settings["proxies"]["ftp-proxy"] == "f"
    assert settings["live-restore"] is True
    assert list(settings) == ["data-root", "proxies", "live-restore"]


def test_what_says_the_same_is_not_touched_in_a_single_byte(wanted) -> None:
    first = with_proxies("", wanted, into_file=True)
    odd = json.dumps(json.loads(first), separators=(" , ", " : "))
    assert with_proxies(odd, wanted, into_file=True) == odd


def test_older_engines_get_live_restore_only(wanted) -> None:
    assert json.loads(with_proxies("{}", wanted, into_file=False)) == {"live-restore": True}


@pytest.mark.parametrize("text", ["[]", "{", '"x"'])
def test_a_file_that_is_no_object_is_refused(wanted, text) -> None:
    with pytest.raises(ValueError, match=r"object|Expecting"):
        with_proxies(text, wanted, into_file=True)


def test_a_unit_gets_quoted_variables(wanted) -> None:
    lines = environment_file(wanted).splitlines()
    assert lines[0] == 'HTTP_PROXY="http://me:p%40ss%2Fword@proxy.example.com:3128"'
    assert [line.partition("=")[0] for line in lines] == ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]


def test_a_password_in_the_file_is_refused(problems) -> None:
    [problem] = problems('[docker]\nproxy = "http://me:pw@proxy:1"\n[platform]\nkind="external"')
    assert problem.startswith("mine.toml: docker.proxy: holds a user name or password;")
    assert "pw" not in problem


def test_on_pigsty_the_login_may_stand_in_the_address(problems) -> None:
    assert all("proxy" not in said for said in problems('[docker]\nproxy = "http://me:pw@proxy:1"'))
