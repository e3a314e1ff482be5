"""The portal: entries, certificates, and what one bad file does."""

import pytest

TAGS = "nginx_config,nginx_cert,nginx_reload"
UNREACHED = 502
BAD = "/etc/nginx/conf.d/bad.conf"


def entry(name="app", **more):
    return {"domain": f"{name}.pigsty", "endpoint": "127.0.0.1:9", **more}


@pytest.fixture
def clean(pigsty):
    """No entry of a test's is left, and the portal serves."""
    yield
    for path in (BAD, *(f"/etc/nginx/conf.d/{name}.conf" for name in ("app", "more", "hand"))):
        pigsty.remove(path)
    assert pigsty.run("./infra.yml", "-t", "nginx_launch").status == 0


@pytest.mark.usefixtures("clean")
class TestPortal:
    def test_an_entry_is_served(self, pigsty):
        pigsty.portal(app=entry())
        done = pigsty.run("./infra.yml", "-t", TAGS)
        assert done.status == 0
        assert pigsty.serves("app.pigsty", UNREACHED)
        assert pigsty.serves("i.pigsty", 200)

    def test_the_address_of_the_admin_node_is_filled_in(self, pigsty):
        pigsty.portal(app=entry(endpoint="${admin_ip}:9", websocket=True))
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        text = pigsty.read("/etc/nginx/conf.d/app.conf") or ""
        assert f"server {pigsty.address}:9" in text and "$http_upgrade" in text

    def test_without_an_endpoint_the_entry_fails(self, pigsty):
        pigsty.portal(app={"domain": "app.pigsty"})
        done = pigsty.run("./infra.yml", "-t", TAGS)
        assert done.status == 2 and done.hosts[pigsty.address]["failed"] == 1
        assert pigsty.serves("i.pigsty", 200)

    def test_a_later_domain_is_not_in_the_certificate_until_it_is_made_anew(self, pigsty):
        self.forget_certificate(pigsty)
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        pigsty.portal(more=entry("more"))
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        assert pigsty.serves("more.pigsty", UNREACHED)
        assert pigsty.serves_securely("i.pigsty", 200)
        assert pigsty.serves_securely("more.pigsty", 0)
        self.forget_certificate(pigsty)
        assert pigsty.run("./infra.yml", "-t", "nginx_cert,nginx_reload").status == 0
        assert pigsty.serves_securely("more.pigsty", UNREACHED)

    @staticmethod
    def forget_certificate(pigsty):
        for kind in ("crt", "key"):
            (pigsty.tree / f"files/pki/nginx/pigsty.{kind}").unlink()

    def test_an_entry_taken_out_stays_served(self, pigsty):
        pigsty.portal(app=entry())
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        pigsty.edit(lambda tree: tree["vars"]["infra_portal"].pop("app"))
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        assert pigsty.serves("app.pigsty", UNREACHED)

    def test_a_file_of_our_own_survives_unless_an_entry_has_its_name(self, pigsty):
        pigsty.write("/etc/nginx/conf.d/hand.conf", "# by hand\n")
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        assert pigsty.read("/etc/nginx/conf.d/hand.conf") == "# by hand\n"
        pigsty.portal(hand=entry("hand"))
        assert pigsty.run("./infra.yml", "-t", TAGS).status == 0
        assert "by hand" not in (pigsty.read("/etc/nginx/conf.d/hand.conf") or "")

    def test_with_a_bad_file_a_reload_keeps_the_portal(self, pigsty):
        pigsty.write(BAD, "nonsense;\n")
        done = pigsty.run("./infra.yml", "-t", "nginx_reload")
        assert done.status == 2 and "Unable to reload service nginx" in done.text
        assert pigsty.serves("i.pigsty", 200)

    def test_with_a_bad_file_a_restart_takes_the_portal_down(self, pigsty):
        pigsty.write(BAD, "nonsense;\n")
        done = pigsty.run("./infra.yml", "-t", "nginx_launch")
        assert done.status == 2 and "Unable to restart service nginx" in done.text
        assert pigsty.serves("i.pigsty", 0)

    def test_without_an_authority_no_certificate_is_made(self, pigsty):
        pki = pigsty.tree / "files/pki"
        away = pki.rename(pigsty.tree / "files/pki.away")
        try:
            done = pigsty.run("./infra.yml", "-t", "nginx_cert")
        finally:
            away.rename(pki)
        assert done.status == 2
        assert "files/pki/nginx" in done.text


def test_names_go_to_dnsmasq(pigsty):
    pigsty.common(dns_records=["${admin_ip} i.pigsty app.pigsty"])
    assert pigsty.run("./infra.yml", "-t", "dns").status == 0
    text = pigsty.read("/etc/dnsmasq.d/pigsty/default") or ""
    assert f"{pigsty.address} i.pigsty app.pigsty" in text


def test_the_authority_is_made_once(pigsty):
    before = (pigsty.tree / "files/pki/ca/ca.crt").read_bytes()
    assert pigsty.run("./infra.yml", "-t", "ca").status == 0
    assert (pigsty.tree / "files/pki/ca/ca.crt").read_bytes() == before
