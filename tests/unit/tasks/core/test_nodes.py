"""One step, several machines."""

import pytest

from clients.node import LocalNode
from clients.ssh import SshNode
from config.environment import Environment
from config.load import load_environment, load_release
from tasks.core.nodes import on_each
from tasks.core.open_node import open_node
from tasks.core.site import Site
from tasks.core.step import Change, Kind, converge


@pytest.fixture
def environment() -> Environment:
    tree = load_environment("sandbox").model_dump()
    tree["platform"]["kind"] = "external"
    tree["images"]["source"] = "registry"
    tree["storage"] |= {"kind": "s3", "bucket": "dify", "plugin_bucket": "plugins"}
    tree["nodes"] |= {"dify": ["local", "n2"], "addresses": ["10.0.0.2", "10.0.0.3"]}
    return Environment.model_validate(tree)


class Marked:
    """Remembers on which node it was done."""

    name = "marked"
    settle_s = 0.0
    done: dict[str, str] = {}

    def __init__(self, site: Site) -> None:
        self.node = site.node.name

    def observe(self) -> str | None:
        return self.done.get(self.node)

    def plan(self, actual: str | None) -> list[Change]:
        return [] if actual else [Change(Kind.MAKE, "mark", "mark")]

    def apply(self, change: Change) -> None:
        self.done[self.node] = change.target


def test_each_node_is_opened_once_as_what_it_is(environment: Environment) -> None:
    site = Site(environment, load_release("1.15.0"), {})
    first, second = site.on_each()
    assert isinstance(first.node, LocalNode) and isinstance(second.node, SshNode)
    assert (first.environment.dify.bind, second.environment.dify.bind) == ("10.0.0.2", "10.0.0.3")
    assert open_node(environment.nodes, "n2") is second.node
    assert isinstance(site.admin, LocalNode)


def test_a_step_is_done_on_every_node_and_says_where(environment: Environment) -> None:
    site = Site(environment, load_release("1.15.0"), {})
    changes = [c for part in on_each(site, lambda s: [Marked(s)]) for c in converge(part).changes]
    assert [change.what for change in changes] == ["local: mark", "n2: mark"]
    assert Marked.done == {"local": "mark", "n2": "mark"}
    assert not any(converge(part).changes for part in on_each(site, lambda s: [Marked(s)]))
