"""Which files an engine of each kind gets, and when it is restarted."""

from pathlib import Path

import pytest

from clients.node import Entry
from config.desired.daemon import proxies
from config.environment import Environment
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.steps.proxy import PRIVATE, Actual, Proxy

OLD, NEW = {"ServerVersion": "20.10.24+dfsg1"}, {"ServerVersion": "27.5.1"}


@pytest.fixture
def step() -> Proxy:
    tree = load_environment("sandbox").model_dump()
    tree["docker"]["proxy"] = "http://proxy.example.com:3128"
    environment = Environment.model_validate(tree)
    site = Site(environment, load_release(environment.dify.release), {})
    return Proxy(site, proxies(environment, "me", "secret"))


def observed(step: Proxy, info: dict[str, object], *, systemd: bool, files: bool = False) -> Actual:
    """A bare engine; with `files` as the step would have written them, not yet restarted."""
    places = [step.places.config, step.places.variables, step.places.drop_in]
    bare = Actual(True, systemd, dict.fromkeys(places), info)
    if not files:
        return bare
    written = {c.action.path: c.action for c in step.plan(bare) if c.what.startswith("write")}
    entries = {
        path: Entry(written[path].content, written[path].mode, 0) if path in written else None
        for path in places
    }
    return Actual(True, systemd, entries, info)


def whats(step: Proxy, actual: Actual) -> list[str]:
    return [change.what for change in step.plan(actual)]


RESTART = ["let containers outlive Docker Engine", "restart Docker Engine"]


def test_a_new_engine_reads_its_proxy_from_daemon_json(step) -> None:
    actual = observed(step, NEW, systemd=True)
    assert whats(step, actual) == [f"write {step.places.config}", *RESTART]
    assert step.plan(actual)[0].action.mode == PRIVATE
    assert b"secret" in step.plan(actual)[0].action.content


def test_an_old_engine_gets_variables_that_only_root_reads(step) -> None:
    actual = observed(step, OLD, systemd=True)
    files = [change.action for change in step.plan(actual)[:3]]
    assert [(file.path, file.mode) for file in files] == [
        (step.places.config, 0o644),
        (step.places.variables, PRIVATE),
        (step.places.drop_in, 0o644),
    ]
    assert b"secret" not in files[0].content + files[2].content
    assert str(step.places.variables).encode() in files[2].content


def test_files_without_a_restart_are_not_the_end(step) -> None:
    """As a run leaves them that was killed in between."""
    for info in (OLD, NEW):
        assert whats(step, observed(step, info, systemd=True, files=True)) == RESTART


def test_nothing_is_done_when_the_engine_has_it(step) -> None:
    said = {
        "HttpProxy": step.wanted.masked,
        "HttpsProxy": step.wanted.masked,
        "NoProxy": step.wanted.no_proxy,
        "LiveRestoreEnabled": True,
    }
    assert whats(step, observed(step, NEW | said, systemd=True, files=True)) == []
    old = observed(step, OLD, systemd=False, files=True)
    running = Actual(True, False, old.entries, OLD, step.wanted.variables())
    assert whats(step, running) == []


def test_no_password_is_in_what_is_shown(step) -> None:
    for info in (OLD, NEW):
        changes = step.plan(observed(step, info, systemd=True))
        assert "secret" not in repr(changes)
        assert all("secret" not in c.what + c.before + c.after for c in changes)


def test_a_node_without_an_engine_is_not_touched(step) -> None:
    assert step.plan(Actual(usable=False)) == []
    assert step.places.config == Path("/etc/docker/daemon.json")
