"""The plan of an adoption, of a Dify as its engine, database and API told of it."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from config.load import load_environment, load_release
from config.secrets import generate
from tasks.adoption.facts import Facts
from tasks.adoption.origin import Origin
from tasks.adoption.plan import Seen, notes, outcome, silent
from tasks.core.site import Site
from tests.unit.adoptable import FINE
from tests.unit.tasks.adoption.members import pigsty_app

FOUND = replace(FINE, vectors=1)
FACTS = Facts(FOUND, 2_000_000_000, {"/data/dify/app/storage": 1_000_000_000}, superuser=True)


@pytest.fixture
def site() -> Site:
    environment, release = load_environment("staging", release="1.15.0"), load_release("1.15.0")
    return Site(environment, release, generate(release, {"admin_password": SecretStr("a1" * 8)}))


def seen(facts: Facts | None = FACTS, **settings: str) -> Seen:
    return Seen(Origin("dify", pigsty_app(**settings)), facts)


def test_everything_is_named_with_its_size_and_no_secret(site: Site) -> None:
    found = outcome(site, seen())
    said = [f"{change}: {change.before} → {change.after}" for change in found.changes]
    assert "save /opt/dify as a restore point:  → proved by a drill" in said
    assert "secret_key of its data: published → a new one" in said
    assert "copy storage, 1.00 GB: /data/dify/app/storage → /data/dify/app/storage" in said
    assert any(line.startswith("copy database dify, 2.00 GB: 10.10.10.10:5432") for line in said)
    assert sum(line.startswith("stop ") for line in said) == 5
    told = "\n".join([*said, *notes(site, seen())])
    assert "difyai123456" not in told and "sk-somerandomkey" not in told


def test_what_people_ask_before_is_told(site: Site) -> None:
    told = notes(site, seen())
    assert "Dify 1.15.0 was found in the compose project dify" in told
    assert "anybody can read its SECRET_KEY, DB_PASSWORD, REDIS_PASSWORD; " in told[1]
    assert any("role dify is a superuser" in note for note in told)
    assert any("nobody could use Dify for about 320 s" in note for note in told)
    assert told[-1].startswith("no command carries this out yet")


def test_a_private_key_is_taken_over(site: Site) -> None:
    found = outcome(site, seen(SECRET_KEY="of-its-own"))
    [key] = [change for change in found.changes if change.target == "secret_key"]
    assert (key.before, key.after) == ("private", "taken over")


def test_what_is_in_the_way_is_in_the_plan(site: Site) -> None:
    asked = seen(replace(FACTS, found=replace(FOUND, version="1.14.0", account=False)))
    blocked = outcome(site, asked).blocked
    assert len(blocked) == 2 and blocked[0].what == "take over Dify 1.15.0 in /opt/dify"


def test_a_stopped_dify_is_not_asked(site: Site) -> None:
    members = tuple(replace(each, state="exited") for each in pigsty_app())
    origin = Origin("dify", members)
    assert silent(origin) == ["api", "redis"]
    [stopped] = outcome(site, Seen(origin, None)).blocked
    assert "api, redis of the compose project dify do not run" in stopped.why
