from pathlib import Path

import pytest

from tasks.tools import nginx
from tasks.tools.nginx import Complaint

PREFIX = Path("/srv/.sandbox/nginx")

# Recorded from nginx 1.22.1: `nginx -t -q`, a start on a taken port, and its error log.
BAD_DIRECTIVE = (
    'nginx: [emerg] unknown directive "prox_pass" in /srv/.sandbox/nginx/conf.d/my.conf:3\n'
    "nginx: configuration file /srv/.sandbox/nginx/nginx.conf test failed\n"
)
NO_KEY = (
    'nginx: [emerg] cannot load certificate "/srv/x.crt": BIO_new_file() failed (SSL: '
    "error:80000002:system library::No such file or directory:calling fopen(/srv/x.crt, r) "
    "error:10000080:BIO routines::no such file)\n"
)
TAKEN = (
    "nginx: [emerg] bind() to 127.0.0.1:8080 failed (98: Address already in use)\n"
    "nginx: [emerg] still could not bind()\n"
)
LOGGED = (
    "2026/08/25 10:00:00 [notice] 4711#4711: signal process started\n"
    "2026/08/25 10:00:00 [emerg] 4711#4711: bind() to 127.0.0.1:8443 failed "
    "(98: Address already in use)\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            BAD_DIRECTIVE,
            Complaint('unknown directive "prox_pass"', PREFIX / "conf.d" / "my.conf", 3),
        ),
        (TAKEN, Complaint("bind() to 127.0.0.1:8080 failed (98: Address already in use)")),
        (LOGGED, Complaint("bind() to 127.0.0.1:8443 failed (98: Address already in use)")),
        ("nginx: the configuration file is ok\n", None),
        ("", None),
    ],
)
def test_what_nginx_says_is_understood(text: str, expected: Complaint | None):
    assert nginx.complaint(text) == expected


def test_a_complaint_without_a_place_keeps_its_whole_reason():
    found = nginx.complaint(NO_KEY)
    assert found is not None
    assert found.path is None
    assert found.reason.startswith('cannot load certificate "/srv/x.crt"')


def test_only_the_master_of_this_very_directory_is_ours():
    title = f"nginx: master process nginx -p {PREFIX} -c {PREFIX}/nginx.conf"
    assert nginx.is_master(title, PREFIX)
    assert not nginx.is_master(title, Path("/srv/.sandbox/nginx2"))
    assert not nginx.is_master(title, Path("/srv/.sandbox"))
    assert not nginx.is_master(f"vi -p {PREFIX} -c nginx.conf", PREFIX)


def test_a_worker_that_is_shutting_down_is_not_a_current_one():
    assert nginx.is_current_worker("nginx: worker process")
    leaving = "nginx: worker process is shutting down"
    assert nginx.is_worker(leaving)
    assert not nginx.is_current_worker(leaving)
    assert not nginx.is_worker("nginx: cache manager process")


def test_commands_use_this_directory_only_and_say_who_the_workers_are():
    assert str(nginx.test(PREFIX, None)) == (f"nginx -p {PREFIX} -c {PREFIX}/nginx.conf -t -q")
    assert "-g 'user dify-rollout;'" in str(nginx.start(PREFIX, "dify-rollout"))


# Recorded from nginx 1.22.1 in front of a gunicorn that was ended: a stream, and one of another.
CUT = (
    "2026/11/28 05:10:00 [error] 22#22: *123 upstream prematurely closed connection while reading "
    'upstream, client: 10.200.0.1, server: _, request: "POST /v1/workflows/run?key=a HTTP/1.1", '
    'upstream: "http://10.200.0.7:5001/v1/workflows/run?key=a", host: "127.0.0.1:20000"'
)


def test_requests_that_an_end_has_cut_are_named_without_their_query() -> None:
    other = CUT.replace("10.200.0.7", "10.200.0.8")
    found = nginx.cut(["server error 502 of 10.200.0.7:5001", CUT, other], {"10.200.0.7"})
    assert found == ["POST /v1/workflows/run"]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("upstream dify {\n    server 10.10.10.10:5001 max_fails=0;\n}\n"
         "server { server_name a; location / { proxy_pass http://dify/; } }", ["10.10.10.10:5001"]),
        ("server { location / { proxy_pass http://127.0.0.1:8001; } }", ["127.0.0.1:8001"]),
        ("upstream x { server [::1]:80; server a.b:81 backup; }", ["[::1]:80", "a.b:81"]),
        ("# proxy_pass http://127.0.0.1:8001;\nserver { root /www; }", []),
        ("server { location / { proxy_pass http://unix:/run/x.sock; } }", []),
    ],
)  # fmt: skip
def test_where_a_file_leads(text: str, addresses: list[str]) -> None:
    assert nginx.addresses(text) == addresses


# A machine that is up for 100 s.
UP = "100.00 1760000100.500 100"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["worker 4000", "1760000040.600 /etc/nginx/conf.d/own.conf"], ["own.conf"]),
        (["worker 4000", "1760000040.400 /etc/nginx/conf.d/own.conf"], []),
        (["worker 7000", "worker 4000", "1760000060.1 /c/a b.conf"], ["a b.conf"]),
        (["worker 4000", "1760000200.0 /c/own.conf"], []),
        (["1760000040.600 /c/own.conf"], []),
    ],
)
def test_a_file_that_came_after_the_oldest_worker_is_unread(
    lines: list[str], expected: list[str]
) -> None:
    assert nginx.unread([UP, *lines]) == expected
    assert nginx.unread([]) == []


def test_the_names_of_servers() -> None:
    text = "server { server_name a.b c.d; # server_name no;\n}\nserver{server_name\n _ e.f;}"
    assert nginx.names(text) == {"a.b", "c.d", "e.f"}


def test_a_server_that_includes_a_file_is_of_the_domain() -> None:
    text = "server {\n  server_name ai.pigsty www.ai.pigsty;\n  include conf.d/dify.x[e];\n}\n"
    assert nginx.has(text, "ai.pigsty", "include conf.d/dify.x[e];")
    assert not nginx.has(text, "pigsty", "include conf.d/dify.x[e];")
    assert not nginx.has(text, "ai.pigsty", "include conf.d/other.x[e];")
