"""A publicly trusted certificate by Pigsty's certbot, from an authority that runs on the node.

Pebble speaks what Let's Encrypt speaks and asks the challenge on port 80 as that does; it finds the
domain by the node's own DNS, where our step puts it.
"""

import json
import socket
import ssl
import time
from collections.abc import Generator

import pytest
from cryptography import x509

from config.errors import StepError
from tasks.steps.table import PARTS
from tests.pigsty.lab.site import LabSite, lab_site

DOMAIN = "dify-lab.example.com"
UNIT = "pebble-lab"
SETTINGS = {
    "pebble": {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": "/root/pebble/cert.pem",
        "privateKey": "/root/pebble/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
    }
}
MAKE_KEY = (
    "mkdir -p /root/pebble && openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    " -keyout /root/pebble/key.pem -out /root/pebble/cert.pem 2>/dev/null"
)
START = (
    f"systemd-run --unit={UNIT} --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0"
    " pebble -config /root/pebble/config.json -dnsserver 127.0.0.1:53"
)
FORGET = (
    f"systemctl stop {UNIT}; rm -rf /root/pebble /etc/letsencrypt"
    f" /etc/nginx/conf.d/cert/{DOMAIN}.*; sed -i '/{DOMAIN}/d' /etc/dnsmasq.d/pigsty/*"
)


@pytest.fixture(scope="module")
def site() -> Generator[LabSite]:
    with lab_site() as made:
        made.set({"DOMAIN": DOMAIN}, "PORTAL")
        made.set({"CERTBOT": "true"}, "PIGSTY")
        made.set({"ADMIN_EMAIL": "admin@example.com"}, "DIFY")
        lab = made.lab
        lab.inside(FORGET)
        options = "--server https://localhost:14000/dir --no-verify-ssl"
        lab.edit(lambda tree: tree["vars"].update(certbot_options=options))
        assert lab.inside(MAKE_KEY).returncode == 0
        lab.write("/root/pebble/config.json", json.dumps(SETTINGS))
        assert lab.inside(START).returncode == 0
        try:
            yield made
        finally:
            lab.inside(FORGET)


def issuer(site: LabSite) -> tuple[str, int]:
    """Whose certificate nginx presents for the domain, and which."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((site.lab.address, 443), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as way,
    ):
        found = x509.load_der_x509_certificate(way.getpeercert(binary_form=True) or b"")
    return found.issuer.rfc4514_string(), found.serial_number


def test_a_domain_that_does_not_lead_here_is_one_clear_error(site: LabSite) -> None:
    with pytest.raises(StepError) as failed:
        site.converge(PARTS["configure"], PARTS["portal"])
    said = str(failed.value)
    assert f"still to do: have certbot ask for a certificate for {DOMAIN}" in said
    assert "Detail:" in said and DOMAIN in said
    assert "Pebble" not in issuer(site)[0], "the portal serves on with Pigsty's own"


def test_then_it_is_issued_and_presented_and_stays(site: LabSite) -> None:
    site.converge(PARTS["hosts"])
    assert site.converge(PARTS["configure"], PARTS["portal"]) == [
        f"have certbot ask for a certificate for {DOMAIN}",
        "reload nginx after each renewal",
    ]
    assert "Pebble" in issuer(site)[0]
    before = site.running()
    assert site.converge(PARTS["configure"], PARTS["portal"], PARTS["hosts"]) == []
    assert site.running() == before


def test_a_renewed_one_is_presented_without_us(site: LabSite) -> None:
    before = issuer(site)
    done = site.lab.inside(
        "certbot renew --force-renewal --no-random-sleep-on-renew --no-verify-ssl"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    deadline = time.monotonic() + 30  # nginx reloads while it serves
    while issuer(site) == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "Pebble" in issuer(site)[0]
    assert site.converge(PARTS["portal"]) == []


def test_a_link_that_was_lost_is_made_again(site: LabSite) -> None:
    folder = "/etc/nginx/conf.d/cert"
    lost = "".join(f"ln -sfn {folder}/pigsty.{k} {folder}/{DOMAIN}.{k}; " for k in ("crt", "key"))
    assert site.lab.inside(f"{lost} nginx -s reload").returncode == 0
    site.converge(PARTS["portal"])
    assert "Pebble" in issuer(site)[0]
    assert site.converge(PARTS["portal"]) == []
