"""Images of two nodes with an engine each: pulled once, and cleared away on both."""

import uuid

import pytest

from clients.node import Node
from config.load import load_environment, load_release
from tasks.core import release_file, upgrade_mark
from tasks.core.progress import Arrived, watched_by
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.core.upgrade_mark import Upgrade
from tasks.images import prune
from tasks.images.bundle_loader import accepts
from tasks.images.copy_to_nodes import images_steps
from tasks.steps.images import Images

DEFAULT = load_environment("staging").dify.release


class TwoNodes(Site):
    """The environment on this node and on the one with the second engine."""

    second: Node

    def on_each(self) -> list[Site]:
        return [self._on(0), Site(self.environment, self.release, {}, self.second)]


@pytest.fixture
def site(registry, second, make, tmp_path, docker) -> TwoNodes:
    """Three images that only the registry has, one of them pinned."""
    for image in second.docker.images():
        second.docker.forget(image)
    environment, tag = load_environment("sandbox"), uuid.uuid4().hex[:8]
    names = {role: f"{registry}/test/{role}:{tag}" for role in ("api", "web", "nginx")}
    digests = {}
    for role, reference in names.items():
        make(reference, [20_000, 30_000])
        digests[role] = make.push(reference)
        make.forget(reference)
    release = load_release("0.6.11").model_copy(
        update={"images": names, "digests": {"api": digests["api"]}}
    )
    changed = {
        "images": environment.images.model_copy(update={"source": "registry"}),
        "dify": environment.dify.model_copy(update={"services": [], "home": tmp_path}),
    }
    site = TwoNodes(environment.model_copy(update=changed), release, {})
    vars(site)["second"] = second.node
    return site


def outcome(site: Site) -> list[str]:
    return [change.what for step in images_steps(site) for change in converge(step).changes]


def test_one_node_pulls_and_the_other_gets_it_from_there(site, docker, second) -> None:
    told = []
    with watched_by(told.append):
        done = outcome(site)
    names = site.release.images.values()
    assert done == [f"get {name}" for name in names] + [f"second: get {name}" for name in names]
    assert sorted(e.what for e in told if isinstance(e, Arrived)) == sorted(names)
    # Its layers: an image has another id where the engines keep images in different ways.
    assert all(docker.image(name).layers == second.docker.image(name).layers for name in names)
    assert outcome(site) == []


def test_a_copy_keeps_what_its_registry_calls_it(site, second) -> None:
    outcome(site)
    copied = second.docker.image(site.release.images["api"])
    assert accepts(copied, site.release.digests["api"])


def test_an_image_of_another_digest_is_replaced(site, docker, make) -> None:
    outcome(site)
    reference = site.release.images["api"]
    right = docker.image(reference).id
    make(reference, [10])
    planned = Images(site.on_each()[0]).plan(Images(site.on_each()[0]).observe())
    assert [(c.what, c.before) for c in planned] == [(f"get {reference}", "another digest")]
    assert outcome(site) == [f"get {reference}"]
    assert docker.image(reference).id == right


def test_a_dry_run_sends_nothing(site, second) -> None:
    for step in images_steps(site):
        assert len(converge(step, dry_run=True).changes) == 3
    assert second.docker.images() == []


def test_unused_images_of_releases_are_found_and_removed(second, docker, make, site) -> None:
    """Only on the second engine: the first is other people's, too."""
    engine, node = second.docker, second.node
    tag = uuid.uuid4().hex[:8]
    older, running, rollback, foreign = (
        f"langgenius/dify-api:{tag}", f"langgenius/dify-web:{tag}",
        f"mirror.test:5000/hub/langgenius/dify-sandbox:{tag}", f"nginx:{tag}",
    )  # fmt: skip
    theirs = f"test/api:{tag}"
    for reference in (older, running, rollback, foreign):
        make(reference, [1000])
        with docker.saved([reference]) as archive:
            engine.load(archive)
    make(theirs, [1000])
    with docker.saved([theirs]) as archive:
        engine.load(archive)
    engine.tag(theirs, "langgenius/dify-api", DEFAULT)
    container = engine.client.api.create_container(running, "true")
    one = Site(site.environment, site.release, {}, node)
    release_file.update(site.environment, node, previous={rollback: engine.image(rollback).id})
    reasons = {kept.image.tags[0]: kept.why for kept in prune.look(one)}
    assert reasons.pop(f"langgenius/dify-api:{DEFAULT}").startswith("wanted by ")
    assert reasons == {
        older: "",
        running: "a container uses it",
        rollback: "kept for rollback",
    }
    back = {older: engine.image(older).id}
    mark = Upgrade(old="1.16.1", new="1.17.1", point="p", proved="", images=back)
    upgrade_mark.write(one, mark)
    assert prune.unused(prune.look(one)) == []
    upgrade_mark.forget(one)
    assert [kept.name for kept in prune.prune(one)] == [older]
    assert engine.image(older) is None
    assert engine.image(running) and engine.image(rollback) and engine.image(foreign)
    assert prune.prune(one) == []
    engine.client.api.remove_container(container)
