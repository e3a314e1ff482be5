"""Pulls from real registries, through a proxy that fails in every way registries do."""

import os
import signal
import subprocess
import sys
import time
import uuid

import pytest
from pydantic import SecretStr

from blocks.login import Login
from clients.docker import Docker
from config.environment import Images as Settings
from config.errors import StepError
from config.load import ROOT, load_environment
from tasks.core.progress import Arrived, Event, Moved, watched_by
from tasks.core.retries import Attempts
from tasks.images.pull import Pulls, pull

LAYERS = [300_000, 2_000_000, 150_000]
TWICE = Attempts(2, 5.0, 5.0)


def settings(*registries: str, **keys: object) -> Settings:
    config = load_environment("sandbox").images
    return config.model_copy(update={"registries": list(registries), **keys})


def arrivals(docker: Docker, reference: str, config: Settings, pin: str = "") -> list[Event]:
    """What a pull of the image tells."""
    told: list[Event] = []
    with watched_by(told.append):
        pull(docker, [reference], config, {reference: pin} if pin else {})
    return told


@pytest.fixture
def pushed(docker: Docker, registry: str, make) -> tuple[str, str, str]:
    """Name, id and digest of an image that the registry has and the engine has not."""
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    identity = make(f"{registry}/{name}", LAYERS)
    digest = make.push(f"{registry}/{name}")
    make.forget(f"{registry}/{name}")
    make.made.append(name)
    assert docker.image(identity) is None
    return name, identity, digest


@pytest.mark.parametrize("fault", ["500", "429", "stall", "gone"])
def test_the_next_registry_stands_in(
    docker, registry, faults, pushed, make, fault, monkeypatch
) -> None:
    monkeypatch.setattr("tasks.images.pull.STALLED_AFTER_S", 1)
    name, identity, _ = pushed
    faults.fault = lambda _: fault
    first = "127.0.0.1:9" if fault == "gone" else faults.host
    told = arrivals(docker, name, settings(first, registry))
    make.made += [f"{registry}/{name}", f"{faults.host}/{name}"]
    assert docker.image(name).id == identity
    assert [(e.what, e.source) for e in told if isinstance(e, Arrived)] == [(name, registry)]


def test_a_registry_found_down_is_asked_last_for_the_others(docker, registry, make) -> None:
    names = [f"rollout-test/{uuid.uuid4().hex[:8]}:1" for _ in range(2)]
    for name in names:
        make(f"{registry}/{name}", [1000])
        make.push(f"{registry}/{name}")
        make.forget(f"{registry}/{name}")
    pulls = Pulls(docker, settings("127.0.0.1:9", registry), {}, {}, time.monotonic() + 60)
    pulls.fetch(names[0])
    assert pulls.down == {"127.0.0.1:9"}
    make.made += [f"{registry}/{name}" for name in names] + names


def test_bytes_are_told_per_layer(docker, faults, pushed, make) -> None:
    name, _, _ = pushed
    faults.slow_s = 0.01
    moved = [e for e in arrivals(docker, name, settings(faults.host)) if isinstance(e, Moved)]
    make.made.append(f"{faults.host}/{name}")
    assert {e.what for e in moved} == {name}
    assert max(e.total for e in moved) > LAYERS[1]
    assert all(0 < e.done <= e.total for e in moved)


def test_a_cut_connection_resumes_where_it_was_cut(docker, faults, pushed, make) -> None:
    name, identity, _ = pushed
    faults.fault = lambda _: "cut:1000000" if faults.cuts == 0 else None
    pull(docker, [name], settings(faults.host), {})
    make.made.append(f"{faults.host}/{name}")
    assert docker.image(name).id == identity
    assert faults.cuts == 1
    assert faults.served < sum(LAYERS) + 200_000


def test_a_tag_missing_in_one_registry_is_looked_for_in_the_next(
    docker, registry, private_registry, pushed, make, caplog
) -> None:
    name, identity, _ = pushed
    caplog.set_level("INFO", logger="rollout")
    other = name.replace("rollout-test/", "").replace(":1", ":none")
    with pytest.raises(StepError, match="the registry has no such image or tag"):
        pull(docker, [other], settings(registry), {}, TWICE)
    assert "attempt " not in caplog.text
    pull(docker, [name], settings(private_registry, registry), {})
    make.made.append(f"{registry}/{name}")
    assert docker.image(name).id == identity


def test_denied_is_said_at_once_and_a_login_opens(docker, private_registry, make, caplog) -> None:
    caplog.set_level("INFO", logger="rollout")
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    there = f"{private_registry}/{name}"
    identity = make(there, [1000])
    make.push(there, login=True)
    make.forget(there)
    make.made.append(name)
    with pytest.raises(StepError, match="the registry denies access") as refused:
        pull(docker, [name], settings(private_registry), {}, TWICE)
    assert "attempt " not in caplog.text
    assert "images.logins" in str(refused.value)
    for password, opens in (("wrong", False), ("s3cret word", True)):
        login = Login(username="robot", password=SecretStr(password))
        pulls = Pulls(
            docker, settings(private_registry), {}, {private_registry: login},
            time.monotonic() + 60, TWICE,
        )  # fmt: skip
        if opens:
            pulls.fetch(name)
        else:
            with pytest.raises(StepError, match="denies access"):
                pulls.fetch(name)
    assert docker.image(name).id == identity
    assert "s3cret" not in caplog.text


def test_a_pinned_image_is_taken_from_a_mirror_by_its_digest(
    docker, registry, faults, pushed, make
) -> None:
    name, identity, digest = pushed
    faults.fault = lambda _: "500"
    arrivals(docker, name, settings(faults.host, registry), pin=digest)
    assert docker.image(name).id == identity
    assert digest in docker.image(name).digests
    make.forget(name)
    with pytest.raises(StepError, match="no such image or tag"):
        arrivals(docker, name, settings(registry), pin="sha256:" + "0" * 64)


KILLED = """
import sys
from clients.docker import Docker
from config.load import load_environment
from tasks.images.pull import pull
config = load_environment("sandbox").images.model_copy(update={"registries": [sys.argv[1]]})
pull(Docker(), [sys.argv[2]], config, {})
"""


def test_a_killed_pull_is_finished_by_the_next(docker, faults, pushed, make) -> None:
    name, identity, _ = pushed
    faults.slow_s = 0.05
    words = [sys.executable, "-c", KILLED, faults.host, name]
    with subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}) as first:
        deadline = time.monotonic() + 30
        while faults.served < LAYERS[0]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    assert docker.image(name) is None
    faults.slow_s = 0.0
    pull(docker, [name], settings(faults.host), {})
    make.made.append(f"{faults.host}/{name}")
    assert docker.image(name).id == identity


def test_no_space_is_said_at_once(docker, registry, pushed, small_engine, caplog) -> None:
    caplog.set_level("INFO", logger="rollout")
    name, _, _ = pushed
    with pytest.raises(StepError, match="no space left where Docker keeps images"):
        pull(small_engine.docker, [name], settings(registry), {}, TWICE)
    assert "attempt " not in caplog.text
