"""The portal by a file of ours beside Pigsty's, which its playbooks leave alone."""

from collections.abc import Generator

import pytest

from config.errors import StepError
from tasks.steps.table import PARTS
from tests.pigsty.lab.site import LabSite, lab_site

ENTRY = "dify-hand"
FILE = f"/etc/nginx/conf.d/{ENTRY}.conf"
BAD = "/etc/nginx/conf.d/bad.conf"
DOMAIN = "dify-lab.pigsty"
UNREACHED = 502
FORGET = f"rm -f {FILE} {BAD} /etc/nginx/conf.d/cert/{DOMAIN}.*; systemctl reload nginx"


@pytest.fixture(scope="module")
def site() -> Generator[LabSite]:
    with lab_site() as made:
        made.set({"ROUTE": "services"}, "PORTAL")
        made.set({"PORTAL_ENTRY": ENTRY}, "PIGSTY")
        try:
            yield made
        finally:
            made.lab.inside(FORGET)
            for left in made.lab.tree.glob(f"files/pki/*/{DOMAIN}.*"):
                left.unlink()


def deploy(site: LabSite) -> list[str]:
    edited = site.converge(PARTS["configure"])
    return [what for what in edited + site.converge(PARTS["portal"]) if "edit " not in what]


def test_it_is_served_with_a_certificate_of_its_own(site: LabSite) -> None:
    assert deploy(site) == [
        f"issue a certificate for {DOMAIN}",
        f"serve {DOMAIN} by {FILE}",
    ]
    lab = site.lab
    assert lab.inside("nginx -t").returncode == 0
    assert "proxy_pass" in (lab.read(FILE) or "")
    assert ENTRY not in (lab.tree / "pigsty.yml").read_text()
    assert lab.serves_securely(DOMAIN, UNREACHED)
    assert lab.mode(f"/etc/nginx/conf.d/cert/{DOMAIN}.key") == 0o600


def test_a_second_deploy_changes_nothing(site: LabSite) -> None:
    before = site.running()
    assert deploy(site) == []
    assert site.running() == before


def test_it_survives_pigstys_whole_portal(site: LabSite) -> None:
    lab = site.lab
    before = lab.read(FILE)
    assert lab.run("./infra.yml", "-t", "nginx").status == 0
    assert lab.read(FILE) == before
    assert lab.serves_securely(DOMAIN, UNREACHED) and lab.serves("i.pigsty", 200)
    assert deploy(site) == []


def test_with_a_bad_file_of_somebody_elses_it_is_not_touched(site: LabSite) -> None:
    lab = site.lab
    lab.write(FILE, "# gone\n")
    lab.write(BAD, "nonsense;\n")
    try:
        with pytest.raises(StepError, match=r"bad\.conf"):
            deploy(site)
    finally:
        lab.remove(BAD)
    assert lab.read(FILE) == "# gone\n"
    assert deploy(site) == [f"serve {DOMAIN} by {FILE}"]
    assert lab.serves_securely(DOMAIN, UNREACHED)
