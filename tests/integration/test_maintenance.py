"""The page of maintenance on a real nginx: up, down, refused, and left by a run that was killed."""

import signal
from collections.abc import Generator

import httpx
import pytest

from config.desired.maintenance import RETRY_AFTER_S, TEXTS
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.sandbox import nginx
from tasks.steps.maintenance import close, is_read, reopen
from tests.addresses import elsewhere
from tests.integration.test_backup import die, in_child
from tests.integration.test_portal import client, deploy, go_on, make_site, site

__all__ = ["go_on", "make_site", "site"]
# An address of this machine that is none of loopback's: what comes from it is people's.
PEOPLE = "172.17.0.1"


def asked(site: Site, method: str = "GET") -> httpx.Response:
    """What people get."""
    portal = site.environment.portal
    url = f"https://{PEOPLE}:{portal.https_port}/console/api/setup"
    with httpx.Client(verify=False, trust_env=False) as http_client:  # noqa: S501 - it has no name
        request = http_client.build_request(method, url, headers={"Host": portal.domain})
        request.extensions["sni_hostname"] = portal.domain
        return http_client.send(request)


def gets_past(site: Site) -> bool:
    with client(site) as http_client:
        return http_client.get("/").status_code == 200


def test_people_get_the_page_and_the_machine_itself_gets_dify(site: Site):
    deploy(site)
    assert asked(site).status_code == 200
    assert [change.what for change in close(site).changes] == [
        "show the page of maintenance at dify.test"
    ]
    assert close(site).changes == ()
    for method in ("GET", "POST"):
        answer = asked(site, method)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == str(RETRY_AFTER_S)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert all(text in answer.text for text in TEXTS.values())
    assert gets_past(site)
    assert len(reopen(site).changes) == 1
    assert reopen(site).changes == ()
    assert asked(site).status_code == 200


@pytest.fixture
def other_place() -> Generator[str]:
    with elsewhere() as address:
        yield address


def test_a_machine_that_is_not_the_portals_gets_past_the_page_it_has_shown(
    site: Site, other_place: str, monkeypatch: pytest.MonkeyPatch
):
    """Else no gate is ever passed where Dify and Pigsty are on machines of their own."""
    deploy(site)
    place = other_place, site.environment.portal.https_port
    monkeypatch.setattr(type(site.platform), "portal", lambda *_: place)
    assert len(close(site).changes) == 1 and is_read(site)
    assert close(site).changes == ()
    reopen(site)


@pytest.mark.parametrize("where", ["write", "load"])
def test_a_rollout_takes_away_what_a_killed_run_has_left(
    site: Site, monkeypatch: pytest.MonkeyPatch, where: str
):
    """Whether nginx has read it or not, and whichever way the run was going."""
    deploy(site)
    for work, served in ((close, 200), (reopen, 503)):
        with monkeypatch.context() as patch:
            patch.setattr(f"tasks.platforms.sandbox.portal.Beside.{where}", die)
            assert in_child(lambda work=work: work(site)) == -signal.SIGKILL
        assert asked(site).status_code == served
        close(site)
        assert asked(site).status_code == 503
    assert [change.what for change in deploy(site)] == [
        "take away the page of maintenance at dify.test"
    ]
    assert deploy(site) == [] and asked(site).status_code == 200


def test_what_nginx_refuses_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch):
    deploy(site)
    monkeypatch.setattr("tasks.steps.maintenance.maintenance_file", lambda *_: "no directive")
    with pytest.raises(StepError, match=r"nginx refuses .*maintenance"):
        close(site)
    assert asked(site).status_code == 200 and is_read(site) is False
    assert nginx.check(site.node, nginx.folder(site)) is None


def test_a_portal_that_is_not_ours_is_left_alone(site: Site):
    platform = site.environment.platform.model_copy(update={"kind": "external"})
    given = site.replace(environment=site.environment.model_copy(update={"platform": platform}))
    assert close(given).changes == reopen(given).changes == ()


def test_no_page_is_waited_for_at_a_domain_that_nginx_does_not_serve_yet(site: Site):
    deploy(site)
    files = sorted((nginx.folder(site) / "conf.d").iterdir())
    portal = site.environment.portal.model_copy(update={"domain": "new.test"})
    moved = site.replace(environment=site.environment.model_copy(update={"portal": portal}))
    assert close(moved).changes == ()
    assert sorted((nginx.folder(site) / "conf.d").iterdir()) == files
    assert asked(site).status_code == 200


def test_a_portal_that_does_not_run_is_closed_already(site: Site):
    deploy(site)
    close(site)
    nginx.stop(site)
    assert close(site).changes == ()
    assert len(reopen(site).changes) == 1
    deploy(site)
    assert asked(site).status_code == 200
