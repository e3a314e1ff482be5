"""A new container takes over from an old one beside it, and nobody notices."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from clients.dify import Dify
from clients.dify.graphs import Graph, reverse
from clients.dify.workflow import finished
from clients.docker import Docker
from clients.docker_objects import ASIDE, WHOLE, Container
from clients.waiting import until
from config.desired.colours import other, split
from config.desired.stack import ROUTES
from config.environment.dify import Direct
from config.errors import StepError
from tasks.core import release_file
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.probes.subjects import portal
from tasks.probes.verify.application import Trial
from tasks.steps.ahead import Ahead, Written
from tasks.steps.compose import Stack, compose_steps
from tasks.steps.ending import asked
from tasks.steps.maintenance import is_read
from tasks.steps.pairs import pairs
from tasks.steps.routes import Routes
from tasks.steps.settings import settings_steps
from tasks.steps.stack_nginx import reload
from tasks.steps.switch import switch_back
from tasks.steps.written import routed
from tasks.tools import celery
from tests.integration.load import load
from tests.integration.stack import deploy, deployed
from tests.integration.test_backup import die, in_child

PATHS = ("/console/api/setup", "/install")
LED: tuple[Direct, Direct] = ("api", "web")


@pytest.fixture(scope="module")
def stack(module_sandbox_site: Any) -> Generator[Site]:
    with deployed(module_sandbox_site, "1.15.0", services=(), switch={"watch_s": 1}) as site:
        yield site


def changed(site: Site, **dify: Any) -> Site:
    """The same with other keys of [dify]."""
    environment = site.environment
    section = environment.dify.model_copy(update=dify)
    return site.replace(environment=environment.model_copy(update={"dify": section}))


def of_portal(site: Site, **portal: Any) -> Site:
    """The same with other keys of [portal]."""
    section = site.environment.portal.model_copy(update=portal)
    return site.replace(environment=site.environment.model_copy(update={"portal": section}))


def switch(site: Site) -> list[str]:
    done = [converge(step) for build in (settings_steps, compose_steps) for step in build(site)]
    return [change.what for outcome in done for change in outcome.changes]


def planned(site: Site) -> list[str]:
    """What `switch` would change."""
    steps = [step for build in (settings_steps, compose_steps) for step in build(site)]
    return [change.what for step in steps for change in converge(step, dry_run=True).changes]


def until_made(site: Site, made: str) -> None:
    """A run of the steps that ends after this one."""
    for build in (settings_steps, compose_steps):
        for step in build(site):
            converge(step)
            if type(step).__name__ == made:
                return


def names(site: Site) -> dict[str, str]:
    """Service → what compose.yaml calls the one that runs."""
    return {c.service: c.defined for c in site.docker.containers(site.environment.dify.project)}


def address(site: Site) -> str:
    return f"http://127.0.0.1:{site.environment.dify.port}"


def test_a_setting_changes_and_no_request_fails(stack: Site) -> None:
    assert switch(stack) == []
    site = changed(stack, log_level="DEBUG")
    foretold = planned(site)
    with load(address(stack), PATHS) as counted:
        done = switch(site)
    assert counted.failed == {}
    assert counted.total > 100
    assert foretold == done
    assert [what for what in done if "api" in what] == [
        "start a new api beside the old one",
        "lead to api-green",
        "let the old api end and remove it",
    ]
    assert names(stack) | {"api": "api-green", "worker": "worker-green"} == names(stack)
    assert switch(changed(stack, log_level="DEBUG")) == []


def shares(site: Site) -> dict[str, int]:
    """What compose.yaml calls a container → its part of busy processors, 0 for the engine's own."""
    return {c.defined: c.shares for c in site.docker.containers(site.environment.dify.project)}


def test_a_new_one_starts_with_a_part_of_the_processors_and_has_all_of_it_then(
    stack: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(stack)
    before = set(shares(stack))
    real = Docker.share

    def ended(docker: Docker, container: str, weight: int) -> None:
        if weight == WHOLE:
            os.kill(os.getpid(), signal.SIGKILL)
        real(docker, container, weight)

    site = changed(stack, log_level="CRITICAL")
    with monkeypatch.context() as patched:
        patched.setattr(Docker, "share", ended)
        assert in_child(lambda: switch(site)) == -signal.SIGKILL
        begun = shares(stack)
    new = set(begun) - before
    assert {name for name, weight in begun.items() if weight == ASIDE} == new
    assert len(new) > 1
    parts = {what for what in planned(site) if "whole part" in what}
    assert parts == {f"give {name} its whole part of the processors" for name in new}
    with load(address(stack), PATHS) as counted:
        switch(site)
    assert counted.failed == {}
    found = shares(stack)
    assert {name: found[name] for name in new} == dict.fromkeys(new, WHOLE)
    assert ASIDE not in found.values()
    assert switch(site) == []


def test_a_deploy_with_nothing_to_do_looks_at_the_containers_once(
    stack: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(stack)
    looks: list[str] = []
    real = Docker.containers

    def counted(docker: Docker, project: str) -> list[Container]:
        looks.append(project)
        return real(docker, project)

    monkeypatch.setattr(Docker, "containers", counted)
    assert [change for step in compose_steps(stack) for change in converge(step).changes] == []
    assert looks == [stack.environment.dify.project]


def test_a_setting_of_the_web_alone_touches_the_web_alone(stack: Site) -> None:
    web = stack.release.services["web"]
    more = web.model_copy(update={"environment": web.environment | {"ONE_MORE": "1"}})
    services = stack.release.services | {"web": more}
    site = stack.replace(release=stack.release.model_copy(update={"services": services}))
    found = planned(site)
    assert found[-3:] == [
        "start a new web beside the old one",
        f"lead to web-{other(routed(stack)['web'])}",
        "let the old web end and remove it",
    ]
    assert not [what for what in found if "api" in what or "worker" in what]


def test_no_node_is_led_anywhere_before_all_of_them_answer(
    stack: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes are two names of one: the first has other routes to read, the second no web."""
    monkeypatch.setattr("tasks.steps.routes.ANSWERS_WITHIN_S", 1.0)
    first = of_portal(stack, body_size_mb=78)
    path = stack.environment.dify.home / ROUTES
    before, missing = path.read_text(), {"web": other(routed(stack)["web"])}

    class Both(Written):
        def ahead(self, site: Site) -> Ahead:
            found = super().ahead(site)
            return found if site is first else replace(found, colours={**found.colours, **missing})

    with pytest.raises(StepError, match="the new web answers nothing on"):
        converge(Routes([first, stack], Both()))
    assert path.read_text() == before


@pytest.fixture
def dify(stack: Site) -> Generator[Dify]:
    with Dify(
        stack.environment.public_url,
        stack.release.api,
        verify=portal.trusted(stack),
        resolve=portal.place(stack),
    ) as client:
        trial = Trial(stack, client)
        trial.setup()
        trial.login()
        yield client


def slow(seconds: int, *before: str) -> Graph:
    """A workflow whose code sleeps, once more in each node `before` it: none may for long."""
    graph = reverse()
    code = graph["nodes"][1]["data"]
    code["code"] = code["code"].replace("return", f"import time; time.sleep({seconds}); return")
    for name in before:
        graph["nodes"].append(graph["nodes"][1] | {"id": name})
        into = next(edge for edge in graph["edges"] if edge["source"] == "start")
        graph["edges"].append(into | {"id": name, "source": name})
        into["target"] = name
    return graph


def test_a_run_and_its_stream_outlive_the_api_and_the_worker_they_began_with(
    stack: Site, dify: Dify
) -> None:
    app = dify.workflows.create("switch")
    dify.workflows.publish(app, slow(12))
    key = dify.workflows.key(app)
    before = names(stack)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: list(dify.workflows.stream(key, {"q": "abc"}, "u", 120)))
        time.sleep(1)
        switch(changed(stack, log_level="WARNING"))
        assert finished(run.result()[-1]) == {"out": "cba"}
    assert {name for name in before if before[name] != names(stack)[name]} == {"api", "worker"}


@pytest.mark.long
def test_what_still_runs_at_the_limit_is_named(
    stack: Site, dify: Dify, caplog: pytest.LogCaptureFixture
) -> None:
    section = stack.environment.switch.model_copy(update={"drain_s": 1})
    site = stack.replace(environment=stack.environment.model_copy(update={"switch": section}))
    app = dify.workflows.create("limit")
    dify.workflows.publish(app, slow(14, "first", "second", "third", "fourth"))
    key = dify.workflows.key(app)
    switch(stack)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: list(dify.workflows.stream(key, {"q": "abc"}, "u", 120)))
        time.sleep(1)
        switch(changed(site, log_level="ERROR"))
        assert run.exception(timeout=90)
    named = "\n".join(r.getMessage() for r in caplog.records)
    assert re.search(r"old worker .* run_workflow \S+ workflow_run_id [0-9a-f-]{36}$", named, re.M)
    assert "the old api is stopped at: 1 open connections" in named
    assert "the old api was still at: POST /v1/workflows/run (1)" in named
    switch(stack)


def test_a_web_that_does_not_answer_is_never_seen(
    stack: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.steps.routes.ANSWERS_WITHIN_S", 2.0)
    switch(changed(stack, log_level="WARNING"))
    before = names(stack)
    web = stack.release.services["web"].model_copy(update={"entrypoint": ["sleep", "1000"]})
    services = stack.release.services | {"web": web}
    broken = stack.replace(release=stack.release.model_copy(update={"services": services}))
    with load(address(stack), PATHS) as counted:
        with pytest.raises(StepError, match="the new web answers nothing"):
            switch(changed(broken, log_level="WARNING"))
        assert names(stack) == before
        switch(changed(stack, log_level="WARNING"))
    assert counted.failed == {}
    assert names(stack) == before


@pytest.mark.parametrize("made", [pytest.param("Stack", marks=pytest.mark.long), "Routes"])
def test_a_run_that_ended_half_way_is_gone_on_with(stack: Site, made: str) -> None:
    level = {"Stack": "ERROR", "Routes": "INFO"}[made]
    site = changed(stack, log_level=level)
    with load(address(stack), PATHS) as counted:
        until_made(site, made)
        both = [c.defined for c in site.docker.containers(site.environment.dify.project)]
        assert {"api", "api-green"} <= set(both)
        switch(site)
    assert counted.failed == {}
    assert switch(site) == []
    assert len(names(stack)) == len(site.docker.containers(site.environment.dify.project))


def test_other_routes_are_read_without_a_failed_request(stack: Site) -> None:
    switch(stack)
    site = of_portal(stack, body_size_mb=77)
    with load(address(stack), PATHS) as counted:
        assert switch(site) == ["reload the stack's nginx"]
        for _ in range(2):
            reload(site)
        switch(stack)
    assert counted.failed == {}


def test_an_nginx_that_answers_late_has_read_what_it_has_read(stack: Site) -> None:
    switch(stack)
    nginx = next(c for c in stack.docker.containers(stack.environment.dify.project)
                 if c.service == "nginx")  # fmt: skip
    words = ["docker", "top", nginx.id, "-eo", "pid,args"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    workers = [int(line.split()[0]) for line in shown.splitlines() if "nginx: worker" in line]
    assert workers

    def to_all(signal_: signal.Signals) -> None:
        for worker in workers:
            os.kill(worker, signal_)

    goes_on = threading.Timer(5, to_all, [signal.SIGCONT])
    to_all(signal.SIGSTOP)
    goes_on.start()
    try:
        assert switch(stack) == []
    finally:
        goes_on.join()


@pytest.mark.parametrize("name", ["api", pytest.param("nginx", marks=pytest.mark.long)])
def test_a_container_that_was_restarted_is_found_as_soon_as_it_is_healthy(
    stack: Site, name: str
) -> None:
    docker, project = stack.docker, stack.environment.dify.project

    def seen() -> Container:
        return next(c for c in docker.containers(project) if c.service == name)

    docker.restart(seen().id)
    until(lambda: seen().ready, within_s=120, every_s=0.1)
    with load(address(stack), PATHS) as counted:
        time.sleep(1)
    assert counted.failed == {}


def test_a_new_api_that_turns_bad_while_it_is_watched_gives_way_to_the_old_one(
    stack: Site,
) -> None:
    switch(stack)
    before = names(stack)
    section = stack.environment.switch.model_copy(update={"watch_s": 60})
    environment = stack.environment.model_copy(update={"switch": section})
    site = changed(stack.replace(environment=environment), log_level="ERROR")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(switch, site)
        until(lambda: routed(stack)["api"] != split(before["api"])[1], within_s=300, every_s=0.2)
        for one in stack.docker.containers(stack.environment.dify.project):
            if one.service == "api" and one.defined != before["api"]:
                stack.docker.stop(one.id, 0)
        with pytest.raises(StepError, match="the new api is exited") as why:
            run.result()
    assert "api" in why.value.advice and "serve again" in why.value.advice
    assert names(stack) == before
    with load(address(stack), PATHS) as counted:
        assert not [what for what in switch(stack) if "beside" in what]
    assert counted.failed == {}


def test_the_old_ones_serve_again_when_somebody_says_so(stack: Site) -> None:
    switch(stack)
    before = names(stack)
    with load(address(stack), PATHS) as counted:
        until_made(changed(stack, log_level="DEBUG"), "Routes")
        (worker,) = [one.old for one in pairs(stack) if one.service == "worker"]
        assert asked(stack, worker, celery.leave()) == []
        what = [change.target for change in switch_back(stack).changes]
    assert counted.failed == {}
    assert {"api", "worker"} <= set(what)
    assert names(stack) == before
    assert len(asked(stack, worker, celery.queues())) > 1
    assert not [what for what in switch(stack) if "beside" in what]
    with pytest.raises(StepError, match="no old container runs beside a new one"):
        switch_back(stack)


def done_behind_the_page(site: Site) -> list[str]:
    """What `switch` changes; people get the page of maintenance meanwhile, and not afterwards."""
    seen: list[bool | None] = []
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(switch, site)
        while not run.done():
            seen.append(is_read(site))
            time.sleep(0.2)
    assert True in seen
    assert is_read(site) is False
    return run.result()


@pytest.mark.long
def test_people_get_the_page_where_two_may_not_run_at_once(stack: Site) -> None:
    release_file.update(stack.environment, stack.node, version="0.0.1")
    api = names(stack)["api"]
    assert f"recreate {api}" in done_behind_the_page(changed(stack, log_level="DEBUG"))
    assert "start a new api beside the old one" in switch(stack)


def make_otherwise(site: Site) -> str:
    """One of the stack's networks has other options, as an older release made it."""
    project, api = site.environment.dify.project, cast(Any, site.docker.client.api)
    name = next(name for name in site.docker.networks(project) if name != "default")
    [found] = api.networks(names=[f"{project}_{name}"])
    members = [c.id for c in site.docker.containers(project) if found["Name"] in c.networks]
    for one in members:
        api.disconnect_container_from_network(one, found["Id"], force=True)
    api.remove_network(found["Id"])
    api.create_network(found["Name"], labels=found["Labels"], ipam=found["IPAM"])
    for one in members:
        api.connect_container_to_network(one, found["Name"])
    return name


@pytest.mark.long
def test_where_the_portal_leads_to_each_service_nobody_notices_either(stack: Site) -> None:
    site = of_portal(stack, route="services")
    deploy(site)
    api, web = (f"http://127.0.0.1:{site.environment.dify.direct_port(each)}" for each in LED)
    with load(api, PATHS[:1]) as asked_api, load(web, PATHS[1:]) as asked_web:
        done = switch(changed(site, log_level="DEBUG"))
    assert "start a new api beside the old one" in done
    assert asked_api.failed == asked_web.failed == {}
    assert min(asked_api.total, asked_web.total) > 100
    with portal.open_dify(site) as dify:
        assert dify.page("/install")
    deploy(stack)


@pytest.mark.long
def test_the_service_of_web_sockets_is_replaced_without_a_failed_request(stack: Site) -> None:
    site = changed(stack, services=["api_websocket"])
    switch(site)
    with load(address(site), ["/socket.io/?EIO=4&transport=polling"]) as counted:
        done = switch(changed(site, log_level="DEBUG"))
    assert "start a new api_websocket beside the old one" in done
    assert counted.failed == {}
    assert counted.total > 100
    assert "remove api_websocket-green" in switch(stack)


def spoken(held: ClientConnection) -> int:
    """How often it was answered on an open web socket, asked until that ended."""
    count = 0
    with suppress(ConnectionClosed):
        while True:
            held.send(f"2{count}")
            assert held.recv(timeout=10) == f"3{count}"
            count += 1
            time.sleep(0.1)
    return count


@pytest.mark.long
def test_an_open_web_socket_is_answered_until_the_new_service_is_led_to_and_opens_anew_at_once(
    stack: Site,
) -> None:
    site = changed(stack, services=["api_websocket"])
    switch(site)
    before = routed(site)["api_websocket"]
    place = address(site).replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    with ThreadPoolExecutor(1) as pool:
        with connect(place, ping_interval=None) as held:
            assert str(held.recv()).startswith('0{"sid"')
            run = pool.submit(switch, changed(site, log_level="DEBUG"))
            assert spoken(held) > 20
        began = time.monotonic()
        with connect(place, ping_interval=None) as anew:
            assert str(anew.recv()).startswith('0{"sid"')
            assert time.monotonic() - began < 3
            assert routed(site)["api_websocket"] == other(before)
            assert "start a new api_websocket beside the old one" in run.result()
            anew.send("2still")
            assert anew.recv(timeout=10) == "3still"
    assert [what for what in switch(stack) if what.startswith("remove api_websocket")]


@pytest.mark.long
def test_people_get_the_page_while_networks_are_remade(
    stack: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a run that was killed in the middle of it, until the next one has ended."""
    switch(stack)
    remade = [f"remake the network {make_otherwise(stack)}"]
    found = planned(changed(stack, log_level="DEBUG"))
    assert remade[0] in found
    assert f"recreate {names(stack)['api']}" in found
    assert planned(stack) == remade
    assert done_behind_the_page(stack) == remade
    make_otherwise(stack)
    with monkeypatch.context() as patch:
        patch.setattr(Stack, "_up", die)
        assert in_child(lambda: switch(stack)) == -signal.SIGKILL
    assert is_read(stack) is True
    assert "take away the page of maintenance" in "".join(deploy(stack))
    assert is_read(stack) is False
    assert switch(stack) == []
