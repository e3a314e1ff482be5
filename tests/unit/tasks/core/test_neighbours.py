"""Files of another Dify in a place of the environment stay unchanged: a hundred random examples.

Files are real ones in a folder of the test; containers are as an engine tells them.
"""

import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.docker_objects import Container
from config.environment import Environment
from config.errors import StepError
from config.load import load_environment, load_release
from config.secrets import generate
from tasks.core.first_use import require_unused
from tasks.core.owner_mark import STACK, require_own
from tasks.core.project_owner import other_folder, require_own_project
from tasks.core.site import Site
from tasks.core.step import Blocked
from tasks.steps.compose import Stack
from tasks.steps.stack_actual import Actual

NEIGHBOURS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Neighbour:
    """Another Dify's files. `home`, `data`: whether they lie where the environment's would."""

    home: bool
    data: bool
    files: frozenset[str]
    uploads: frozenset[str]
    text: str


neighbours = st.builds(
    Neighbour,
    home=st.booleans(),
    data=st.booleans(),
    files=st.frozensets(st.sampled_from(STACK), min_size=1),
    uploads=st.frozensets(st.sampled_from(["app/storage/a", "plugin_daemon/b", "volumes/c"])),
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40),
)


def site_in(folder: Path) -> Site:
    tree = load_environment("staging").model_dump()
    tree["platform"]["kind"] = "external"
    tree["dify"] |= {"home": folder / "own/home", "data": folder / "own/data"}
    environment = Environment.model_validate(tree)
    return Site(environment, load_release(environment.dify.release), {})


def set_up(site: Site, folder: Path, found: Neighbour) -> None:
    home = site.environment.dify.home if found.home else folder / "other/home"
    data = site.environment.dify.data if found.data else folder / "other/data"
    for place, names in ((home, found.files), (data, found.uploads)):
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(found.text)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(site: Site) -> str:
    """The cause of the refusal; empty without one."""
    try:
        require_own(site.environment, site.node)
        require_unused(site)
    except StepError as error:
        return error.cause
    return ""


@NEIGHBOURS
@given(neighbours)
def test_files_of_a_neighbour_are_refused_where_they_are_ours_and_never_touched(
    found: Neighbour,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = site_in(folder)
        set_up(site, folder, found)
        before = contents(folder)
        why = refused(site)
        in_the_way = found.home or (found.data and bool(found.uploads))
        assert bool(why) == in_the_way
        if found.home:
            assert str(site.environment.dify.home) in why
        elif in_the_way:
            assert "dify.data: has files" in why
        assert contents(folder) == before


folders = st.sampled_from(["/opt/dify", "/root/dify/docker", "/srv/team a/dify", "/home/x"])
services = st.sampled_from(["api", "worker", "nginx", "redis", "db", "weaviate"])


@NEIGHBOURS
@given(st.lists(st.tuples(services, folders, st.booleans()), min_size=1, max_size=6))
def test_containers_of_a_neighbour_are_named_and_no_change_is_planned(
    found: list[tuple[str, str, bool]],
) -> None:
    site = site_in(Path("/nowhere"))
    site = site.replace(secrets=generate(site.release, {}))
    containers = [
        Container(
            id=uuid.uuid4().hex,
            name=f"{service}-{number}",
            service=service,
            image="sha256:0",
            config_hash="",
            state="running" if runs else "exited",
            health="",
            one_off=False,
            folder=folder,
        )
        for number, (service, folder, runs) in enumerate(found)
    ]
    other = other_folder(site, containers)
    assert other in {folder for _, folder, _ in found}
    by_service = {each.service: [each] for each in containers}
    planned = Stack(site).plan(Actual({}, by_service, other=other))
    assert [type(each) for each in planned] == [Blocked]
    with pytest.raises(StepError) as why:
        require_own_project(site, containers)
    assert f"another stack's, of {other}" in why.value.cause
