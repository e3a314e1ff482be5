"""Settings change behind Pigsty's real portal, and nobody who asks there notices."""

import ssl
import time
from collections.abc import Generator

import httpx
import pytest

from clients.dify.session import Pinned
from tests.integration.load import LONGEST_S, Opened, load
from tests.pigsty.lab.site import ENVIRONMENT, PROJECT, LabSite, forget, lab_site

PATHS = ("/console/api/setup", "/install")
DEPLOY = ("deploy", ENVIRONMENT, "--yes")


@pytest.fixture(scope="module", params=["stack", "services"])
def site(request: pytest.FixtureRequest) -> Generator[LabSite]:
    """The portal leads to the stack's nginx, or to each service; a domain of its own each."""
    domain = f"dify-{request.param}.pigsty"
    with lab_site() as made:
        made.set({"DOMAIN": domain, "ROUTE": request.param}, "PORTAL")
        try:
            made.json(*DEPLOY)
            yield made
        finally:
            forget(made)
            made.lab.inside(f"rm -f /etc/nginx/conf.d/cert/{domain}.*")
            for left in made.lab.tree.glob(f"files/pki/*/{domain}.*"):
                left.unlink()


def people(site: LabSite) -> Opened:
    """Clients that find the domain at Pigsty's portal, and trust its authority alone."""
    trust = ssl.create_default_context(cafile=str(site.lab.tree / "files/pki/ca/ca.crt"))
    place = site.lab.address, site.lab.https_port
    return lambda: httpx.Client(transport=Pinned(place, trust), timeout=LONGEST_S, trust_env=False)


def services(site: LabSite) -> dict[str, str]:
    """Service → what compose.yaml calls the container that runs."""
    return {c.service: c.defined for c in site.opened().docker.containers(PROJECT)}


def deployed_unnoticed(site: LabSite, what: str) -> None:
    """A deploy changes something while people ask at the portal."""
    portal, began = site.opened().environment.portal, time.monotonic()
    what = f"{portal.route}, {what}"
    with load(f"https://{portal.domain}", PATHS, opened=people(site)) as counted:
        assert site.json(*DEPLOY)["changes"] > 0
    seconds, slowest = time.monotonic() - began, max(counted.seconds)
    print(f"{what}: {counted.total} requests in {seconds:.0f} s, the slowest {slowest:.2f} s")
    assert counted.failed == {}
    assert counted.total > 100


def test_a_setting_changes(site: LabSite) -> None:
    before = services(site)
    site.set({"LOG_LEVEL": "DEBUG"}, "DIFY")
    deployed_unnoticed(site, "a setting")
    after = services(site)
    assert {name for name in after if after[name] != before[name]} == {"api", "worker"}


def test_the_portals_own_file_changes(site: LabSite) -> None:
    before = services(site)
    site.set({"BODY_SIZE_MB": "120"}, "PORTAL")
    deployed_unnoticed(site, "the portal's file")
    assert services(site) == before


def test_nothing_is_left_to_change(site: LabSite) -> None:
    assert site.json(*DEPLOY)["changes"] == 0
