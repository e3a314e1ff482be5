"""Text of the stack's nginx and of the portal's site; tests/integration runs them."""

import re
from pathlib import Path

from config.desired.portal import server_block
from config.desired.stack import mounted_files

CERTIFICATE, KEY = Path("/etc/ssl/dify.crt"), Path("/etc/ssl/dify.key")
LOCATION = re.compile(r"location (?P<path>/\S*) \{(?P<body>.*?)\n {4,8}\}", re.DOTALL)


def locations(text):
    return {found["path"]: found["body"] for found in LOCATION.finditer(text)}


def portal(environment, release):
    return server_block(environment, release, CERTIFICATE, KEY)


def test_the_stack_sends_each_path_to_its_service(environment, release):
    text = mounted_files(environment, release)["nginx.conf"]
    found = locations(text)
    assert {path: re.search(r"set \$upstream (\S+);", body)[1] for path, body in found.items()} == {
        "/console/api": "api:5001",
        "/api": "api:5001",
        "/v1": "api:5001",
        "/openapi": "api:5001",
        "/files": "api:5001",
        "/mcp": "api:5001",
        "/triggers": "api:5001",
        "/socket.io/": "api_websocket:5001",
        "/e/": "plugin_daemon:5002",
        "/": "web:3000",
    }
    assert all("proxy_pass http://$upstream;" in body for body in found.values())


def test_the_stack_streams_and_asks_for_addresses_again(environment, release):
    text = mounted_files(environment, release)["nginx.conf"]
    for line in (
        "resolver 127.0.0.11 valid=10s ipv6=off;",
        "proxy_buffering off;",
        "proxy_read_timeout 3600s;",
        "proxy_send_timeout 3600s;",
        "client_max_body_size 100m;",
        "listen 80;",
    ):
        assert line in text


def test_only_the_websocket_route_upgrades(environment, release):
    text = mounted_files(environment, release)["nginx.conf"]
    upgrading = [p for p, body in locations(text).items() if '"$http_upgrade"' in body]
    assert upgrading == ["/socket.io/"]


def test_hooks_of_plugins_learn_the_address_people_called(environment, release, changed):
    inside = locations(mounted_files(environment, release)["nginx.conf"])["/e/"]
    assert 'Dify-Hook-Url "$public_scheme://$http_host$request_uri"' in inside
    direct = changed(environment, portal={"route": "services"})
    assert (
        'Dify-Hook-Url "$scheme://$http_host$request_uri"'
        in locations(portal(direct, release))["/e/"]
    )


def test_the_portal_leads_to_the_stack(environment, release):
    text = portal(environment, release)
    assert text.count("proxy_pass") == 1
    assert "proxy_pass http://127.0.0.1:8001;" in text
    assert 'proxy_set_header Upgrade "$http_upgrade";' in text
    assert "return 308 https://dify.test:8443$request_uri;" in text
    assert "listen 8443 ssl;" in text
    assert 'ssl_certificate "/etc/ssl/dify.crt";' in text
    assert 'add_header Strict-Transport-Security "max-age=63072000" always;' in text


def test_the_portal_leads_to_each_service(environment, release, changed):
    text = portal(changed(environment, portal={"route": "services"}), release)
    upstreams = {p: re.search(r"http://(\S+);", body)[1] for p, body in locations(text).items()}
    assert upstreams["/console/api"] == "127.0.0.1:5001"
    assert upstreams["/socket.io/"] == "127.0.0.1:5003"
    assert upstreams["/e/"] == "127.0.0.1:5002"
    assert upstreams["/"] == "127.0.0.1:3000"


def test_the_portal_without_tls(environment, release, changed):
    text = portal(changed(environment, portal={"tls": False}), release)
    assert "listen 8080;" in text
    assert "ssl" not in text and "308" not in text


def test_the_proxy_refuses_private_networks(environment, release):
    text = mounted_files(environment, release)["squid.conf"]
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"):
        assert network in text
    assert text.index("deny to_private") < text.index("allow all")
    assert "http_port 3128" in text
