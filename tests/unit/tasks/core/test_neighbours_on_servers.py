"""Databases, roles and portal files of a neighbour are refused where an environment names them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from config.errors import StepError
from tasks.core.first_use import require_unused
from tasks.core.site import Site
from tasks.platforms.external.platform import External
from tests.unit.tasks.core.test_neighbours import NEIGHBOURS, site_in

OWN = site_in(Path("/nowhere"))
NAMES = OWN.environment.postgres
DATABASES = {
    NAMES.database: ("postgres.database", "alembic_version"),
    NAMES.plugin_database: ("postgres.plugin_database", "plugins"),
}


@dataclass(frozen=True)
class Neighbour:
    """Database → its table; role → its databases; domain → the files that serve it."""

    tables: Mapping[str, str]
    roles: Mapping[str, list[str]]
    files: Mapping[str, list[str]]

    @property
    def in_the_way(self) -> set[str]:
        """The keys of the environment that name a place of it."""
        found = {key for name, (key, table) in DATABASES.items() if self.tables.get(name) == table}
        if set(self.roles.get(NAMES.user, [])) - set(DATABASES):
            found.add("postgres.user")
        return found | ({"portal.domain"} if self.files.get(domain()) else set())


def domain() -> str:
    return OWN.environment.portal.domain


class Servers(External):
    """Given servers, on which the neighbour lives."""

    def __init__(self, found: Neighbour) -> None:
        self.found = found

    def databases_with(self, site: Site, tables: Mapping[str, str]) -> list[str]:
        return [name for name, table in tables.items() if self.found.tables.get(name) == table]

    def databases_of(self, site: Site, role: str) -> list[str]:
        return self.found.roles.get(role, [])

    def serving(self, site: Site) -> dict[str, list[str]]:
        return {name: [] for name in self.found.files.get(site.environment.portal.domain, [])}


databases = st.sampled_from([*DATABASES, "crm", "dify_old", "wiki"])
neighbours = st.builds(
    Neighbour,
    tables=st.dictionaries(databases, st.sampled_from(["alembic_version", "plugins", "pages"])),
    roles=st.dictionaries(
        st.sampled_from([NAMES.user, "crm", "dify"]), st.lists(databases, unique=True)
    ),
    files=st.dictionaries(
        st.sampled_from([domain(), "wiki.pigsty"]),
        st.lists(st.sampled_from(["dify.conf", "by-hand.conf"]), unique=True),
    ),
)


def refused(found: Neighbour) -> StepError | None:
    """Why the environment may not be used the first time."""
    module = ModuleType("tasks.platforms.servers.platform")
    module.PLATFORM = Servers(found)
    known = {"tasks.platforms.servers": ModuleType("servers"), module.__name__: module}
    platform = OWN.environment.platform.model_copy(update={"kind": "servers"})
    site = OWN.replace(environment=OWN.environment.model_copy(update={"platform": platform}))
    with patch.dict(sys.modules, known):
        try:
            require_unused(site)
        except StepError as error:
            return error
    return None


@NEIGHBOURS
@given(neighbours)
def test_each_place_is_named_with_the_two_ways_on(found: Neighbour) -> None:
    error = refused(found)
    if not found.in_the_way:
        assert error is None
        return
    assert error
    said = {line.strip().partition(":")[0] for line in error.cause.splitlines()[1:]}
    assert said == found.in_the_way
    assert f"config/environments/{OWN.name}.toml to others" in error.advice
    assert f"rollout adopt {OWN.name}" in error.advice


def test_a_role_of_its_own_databases_alone_is_no_neighbour() -> None:
    assert refused(Neighbour({}, {NAMES.user: list(DATABASES)}, {})) is None
    assert refused(Neighbour({}, {NAMES.user: [*DATABASES, "crm"]}, {})) is not None
