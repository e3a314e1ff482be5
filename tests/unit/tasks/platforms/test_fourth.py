"""Another platform is one folder with its `PLATFORM`; nothing else asks which kind it is."""

import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import get_args

import pytest

from config.environment import platform as environment
from config.load import ROOT, load_environment, load_release
from tasks.core.ports import ports
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.platforms.base import Build, Platform
from tasks.platforms.external.platform import External
from tasks.steps.table import PARTS

ASKED = re.compile(r"platform\.kind")
# The floor that decides what an environment is, and the folder of the platforms.
MAY_ASK = ("config/", "tasks/platforms/")


class Flag:
    """One part: a flag that is put up."""

    name = "install"
    settle_s = 0.0

    def observe(self) -> bool:
        return False

    def plan(self, actual: bool) -> list[Change]:
        return [] if actual else [Change(Kind.MAKE, "flag", "put up the flag")]

    def apply(self, change: Change) -> None:
        raise AssertionError("a plan applies nothing")


class Tiny(External):
    """Given servers, and a step of its own."""

    @property
    def steps(self) -> Mapping[str, Build]:
        return {**super().steps, "install": lambda _: [Flag()]}

    def advice(self, environment: object, server: str, section: str) -> str:
        return f"raise the flag of {server}"


def test_every_folder_is_a_word_of_the_environment() -> None:
    have = {file.parent.name for file in (ROOT / "tasks/platforms").glob("*/platform.py")}
    assert have == set(get_args(environment.Kind)), "not a word of config/environment/platform.py"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    module = ModuleType("tasks.platforms.tiny.platform")
    tiny: Platform = Tiny()
    module.PLATFORM = tiny
    monkeypatch.setitem(sys.modules, "tasks.platforms.tiny", ModuleType("tasks.platforms.tiny"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    environment = load_environment("sandbox")
    platform = environment.platform.model_copy(update={"kind": "tiny"})
    changed = environment.model_copy(update={"platform": platform})
    return Site(changed, load_release(changed.dify.release), {})


def test_its_steps_are_planned_and_it_has_none_of_the_others(site: Site):
    (part,) = PARTS["install"](site)
    assert [change.what for change in part.plan(part.observe())] == ["put up the flag"]
    assert PARTS["portal"](site) == []
    assert set(ports(site)) == {"dify.port"}


def test_it_words_its_own_advice(site: Site):
    assert site.platform.advice(site.environment, "Redis", "redis") == "raise the flag of Redis"


def test_only_config_and_the_platforms_ask_for_the_kind():
    asking = {
        path.relative_to(ROOT).as_posix()
        for floor in ("blocks", "cli", "clients", "config", "flows", "tasks")
        for path in (ROOT / floor).rglob("*.py")
        if ASKED.search(path.read_text())
    }
    assert [path for path in sorted(asking) if not path.startswith(MAY_ASK)] == []
