"""Difys on real Pigsty are taken over with all they have, given back, and taken over for good."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any

import pytest
import redis

from clients.waiting import until
from tasks.core.site import Site
from tests.integration.adopting import contents, logs_in, members, people_see
from tests.pigsty.lab.foreign import set_up
from tests.pigsty.lab.pigstys_app import pigstys_app
from tests.pigsty.lab.recipes_dify import (
    CHANGED,
    PUBLISHED,
    ROLE,
    change_redis_password,
    recipes_dify,
)
from tests.pigsty.lab.site import ENVIRONMENT, REDIS, LabSite, forget, lab_site
from tests.ports import free_ports

ADOPT = ("adopt", ENVIRONMENT, "--yes")
DATABASES = ("dify_own", "dify_own_plugin")
# The machine has one Redis cluster of Pigsty's, the recipe's: there are other databases in it.
BESIDE = {"DATABASE": "2", "BROKER_DATABASE": "3"}
WITHOUT_PLUGINS = f"CREATE DATABASE assistant_plugin OWNER {ROLE}"
Made = Callable[[LabSite, Path], AbstractContextManager[Site]]


@dataclass(frozen=True)
class Both:
    """The Dify that is there, and the environment that is to take it over."""

    there: Site
    own: LabSite

    @property
    def named(self) -> tuple[str, str]:
        return "--project", self.there.environment.dify.project

    def running(self) -> set[str]:
        """Its services that run; one of Pigsty's app ends by itself."""
        return {each.service for each in members(self.there) if each.runs}

    def adopted(self, *words: str) -> dict[str, Any]:
        done = self.own.json(*ADOPT, *self.named, *words)
        print(done["work"], done["proved"], done["downtime_s"], done["parts"])
        return done

    def served(self) -> bool:
        """Whether one of both answers at the domain; nginx reloads after it has said so."""
        return bool(until(lambda: set_up(self.there), within_s=30, every_s=0.5))


@pytest.fixture(scope="module", params=[pigstys_app, recipes_dify])
def both(request: pytest.FixtureRequest) -> Generator[Both]:
    made: Made = request.param
    with lab_site() as other, made(other, home(other)) as there, lab_site() as own:
        try:
            prepare(own, there)
            yield Both(there, own)
        finally:
            forget(own, DATABASES)


def home(site: LabSite) -> Path:
    return Path(site.variables["ROLLOUT__DIFY__HOME"]).parent


def prepare(own: LabSite, there: Site) -> None:
    dify, [drill] = there.environment.dify, free_ports(1)
    own.set({"RELEASE": dify.release, "ADMIN_EMAIL": dify.admin_email}, "DIFY")
    own.set(dict(zip(("DATABASE", "PLUGIN_DATABASE"), DATABASES, strict=True)), "POSTGRES")
    own.set({"DOMAIN": there.environment.portal.domain}, "PORTAL")
    own.set({"REPOSITORY": str(home(own) / "points"), "DRILL__PORT": str(drill)}, "BACKUP")
    give(own, "admin_password", there.secret("admin_password"))
    if dify.project == "dify-recipe":
        own.set(BESIDE, "REDIS")
        give(own, "redis_password", PUBLISHED)


def give(site: LabSite, secret: str, value: str) -> None:
    done = site.rollout("secrets", ENVIRONMENT, secret, "--set", "--yes", text=value)
    assert done.returncode == 0, done.stderr


def lost(before: str, after: str) -> list[str]:
    """Lines of pigsty.yml that are no longer where they were; what the environment has stays."""
    compared = ndiff(before.splitlines(), after.splitlines())
    return [line for line in compared if line.startswith("- ")]


def require_another_redis_password(both: Both) -> None:
    """The published one is refused; Redis runs on while it gets another, which a restart keeps."""
    own, lab = both.own, both.own.lab
    plan = own.rollout("adopt", ENVIRONMENT, *both.named, "--dry-run")
    assert plan.returncode == 1 and "redis_password" in plan.stdout + plan.stderr
    ran, connected = own.running(), lab.redis(6379, PUBLISHED)
    assert connected.ping()
    change_redis_password(own, both.there)
    assert own.running() == ran and connected.ping()
    with pytest.raises(redis.AuthenticationError):
        lab.redis(6379, PUBLISHED).ping()
    assert f"REDIS_PASSWORD={CHANGED}" in (lab.read("/etc/default/redis_exporter") or "")
    assert both.served() and logs_in(both.there, both.named[1])
    lab.inside(f"systemctl restart {REDIS}")
    assert until(lambda: answers(lab.redis(6379, CHANGED)), within_s=30, every_s=0.5)
    assert both.served() and logs_in(both.there, both.named[1])
    give(own, "redis_password", CHANGED)


def answers(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except redis.ConnectionError:
        return False


def test_a_plan_names_it_and_what_is_in_the_way(both: Both) -> None:
    recipes = both.there.environment.dify.project == "dify-recipe"
    if recipes:
        require_another_redis_password(both)
    ran = both.running()
    plan = both.own.rollout("adopt", ENVIRONMENT, *both.named, "--dry-run")
    if recipes:
        assert plan.returncode == 1 and "it has no database of plugins" in plan.stdout + plan.stderr
        both.own.lab.sql(WITHOUT_PLUGINS)
        plan = both.own.rollout("adopt", ENVIRONMENT, *both.named, "--dry-run")
    assert plan.returncode == 2, plan.stdout + plan.stderr
    name = both.there.environment.postgres.database
    domain, file = both.there.environment.portal.domain, f"{name}.conf"
    assert f"{file} of the portal leads {domain} to it" in plan.stdout
    assert f"set aside {file} of the portal" in plan.stdout
    assert both.running() == ran and both.served()


def test_it_is_taken_over_with_all_it_has_and_given_back(both: Both) -> None:
    before, folder = people_see(both.there), contents(both.there.environment.dify.home)
    inventory, ran = both.own.lab.tree / "pigsty.yml", both.running()
    text = inventory.read_text()
    done = both.adopted()
    assert done["work"] == "taken over" and done["proved"].startswith("proved by a drill in")
    assert both.running() == set() and both.served()
    assert people_see(both.own.deployed()) == before
    assert both.own.rollout("verify", ENVIRONMENT).returncode == 0
    assert both.own.json("deploy", ENVIRONMENT, "--yes")["changes"] == 0
    again = both.adopted()
    assert again["work"] == "was taken over already" and not again["parts"]
    assert f"# set aside, {ENVIRONMENT} has its domain" in inventory.read_text()

    assert both.adopted("--back")["work"] == "started again"
    assert both.running() == ran and both.served()
    assert people_see(both.there) == before and logs_in(both.there, both.named[1])
    assert contents(both.there.environment.dify.home) == folder
    assert f"{ENVIRONMENT} has its domain" not in inventory.read_text()
    assert not lost(text, inventory.read_text())


def test_it_is_taken_over_once_more_and_its_containers_removed(both: Both) -> None:
    before = people_see(both.there)
    both.adopted("--without-drill", "--keep-days", "0")
    assert people_see(both.own.deployed()) == before
    both.adopted("--finish")
    assert members(both.there) == () and both.served()
    assert both.own.lab.inside("ls /etc/nginx/conf.d | grep set-aside").stdout == ""
    assert people_see(both.own.deployed()) == before
    assert both.own.rollout("verify", ENVIRONMENT).returncode == 0
    assert both.own.json("deploy", ENVIRONMENT, "--yes")["changes"] == 0
