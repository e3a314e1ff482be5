"""Text of the stack's nginx and of the portal's site; tests/integration runs them."""

import re
from pathlib import Path

from config.desired.colours import Colour
from config.desired.portal import server_block
from config.desired.stack import mounted_files, routed_colours, routes_digest, routes_file

CERTIFICATE, KEY = Path("/etc/ssl/dify.crt"), Path("/etc/ssl/dify.key")
LOCATION = re.compile(r"location (?P<path>/\S*) \{(?P<body>.*?)\n {4,8}\}", re.DOTALL)


def locations(text):
    return {found["path"]: found["body"] for found in LOCATION.finditer(text)}


def portal(environment, release):
    return server_block(environment, release, CERTIFICATE, KEY)


def test_the_stack_sends_each_path_to_its_service(environment, release):
    text = routes_file(environment, release)
    found = locations(text)
    assert {path: re.search(r"set \$upstream (\S+);", body)[1] for path, body in found.items()} == {
        "/console/api": "api-blue:5001",
        "/api": "api-blue:5001",
        "/v1": "api-blue:5001",
        "/openapi": "api-blue:5001",
        "/files": "api-blue:5001",
        "/mcp": "api-blue:5001",
        "/triggers": "api-blue:5001",
        "/socket.io/": "api_websocket-blue:5001",
        "/e/": "plugin_daemon:5002",
        "/": "web-blue:3000",
        "/_next/static/": "web-blue:3000",
    }
    assert all("proxy_pass http://$upstream;" in body for body in found.values())


def test_the_stack_leads_to_the_colour_that_is_meant(environment, release):
    text = routes_file(environment, release, {"api": Colour.GREEN})
    found = routed_colours(text)
    assert found == {"api": "green", "api_websocket": "blue", "web": "blue"}
    assert "$upstream plugin_daemon:5002;" in text


def test_a_file_that_the_web_lacks_is_asked_of_the_one_before_it(environment, release):
    text = routes_file(environment, release, {"web": Colour.GREEN})
    assert re.search(
        r"/_next/static/ \{.*web-green:3000;.*error_page 404 = @web_before", text, re.S
    )
    assert "set $before web-blue:3000;" in text
    assert "error_page 502 504 = @web_gone;" in text


def directs(text):
    """Port → what its server leads to, of those that lead to one service alone."""
    servers = text.split("listen 80;")[0].split("    server {")[1:]
    found = [re.search(r"listen (\d+);.*?set \$upstream (\S+);", each, re.S) for each in servers]
    return {int(each[1]): each[2] for each in found if each}


def test_containers_of_the_stack_reach_the_api_that_serves(environment, release):
    found = directs(routes_file(environment, release, {"api": Colour.GREEN}))
    assert found == {5001: "api-green:5001"}


def test_each_service_that_may_overlap_has_a_port_where_the_portal_leads_to_it(
    environment, release, changed
):
    direct = changed(environment, portal={"route": "services"})
    text = routes_file(direct, release, {"web": Colour.GREEN})
    assert directs(text) == {
        5001: "api-blue:5001",
        5003: "api_websocket-blue:5001",
        3000: "web-green:3000",
    }
    web = text.split("listen 3000;")[1].split("    server {")[0]
    assert "/_next/static/" in web and "set $before web-blue:3000;" in web
    assert "/_next/static/" not in text.split("listen 5001;")[1].split("    server {")[0]
    assert routed_colours(text)["web"] == "green"


def test_the_stacks_nginx_answers_with_the_digest_of_its_file(environment, release):
    texts = [routes_file(environment, release, {"api": colour}) for colour in Colour]
    digests = [routes_digest(text) for text in texts]
    assert len(set(digests)) == 2
    assert all(len(digest) == 16 for digest in digests)
    assert routes_digest(routes_file(environment, release)) == digests[0]


def test_the_stack_streams_and_asks_for_addresses_again(environment, release):
    text = routes_file(environment, release)
    for line in (
        "resolver 127.0.0.11 valid=1s ipv6=off;",
        "proxy_buffering off;",
        "proxy_read_timeout 3600s;",
        "proxy_send_timeout 3600s;",
        "client_max_body_size 100m;",
        "listen 80;",
    ):
        assert line in text


def test_only_the_websocket_route_upgrades(environment, release):
    text = routes_file(environment, release)
    upgrading = [p for p, body in locations(text).items() if '"$http_upgrade"' in body]
    assert upgrading == ["/socket.io/"]


def test_hooks_of_plugins_learn_the_address_people_called(environment, release, changed):
    inside = locations(routes_file(environment, release))["/e/"]
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
