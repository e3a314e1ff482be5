"""The plan of an adoption, of a Dify as its engine, database and API told of it."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from config.errors import StepError
from config.load import load_environment, load_release
from config.rules.adoptable import Vectors
from config.secrets import generate
from tasks.adoption.facts import Facts
from tasks.adoption.origin import Origin
from tasks.adoption.plan import Seen, notes, outcome, silent
from tasks.adoption.stages import require_free
from tasks.core.adoption_mark import Adoption, Stage
from tasks.core.site import Site
from tests.unit.adoptable import FINE
from tests.unit.tasks.adoption.members import pigsty_app

FOUND = replace(FINE, vectors=Vectors({"pgvector": 1}))
FACTS = Facts(FOUND, 2_000_000_000, {"/data/dify/app/storage": 1_000_000_000}, superuser=True)

MARK = Adoption(
    project="dify", folder="/opt/dify", version="1.15.0", point="20261127T000000Z",
    proved="proved", restarts={}, keep_days=7,
)  # fmt: skip


@pytest.fixture
def site() -> Site:
    environment, release = load_environment("staging", release="1.15.0"), load_release("1.15.0")
    return Site(environment, release, generate(release, {"admin_password": SecretStr("a1" * 8)}))


def seen(facts: Facts | None = FACTS, mark: Adoption | None = None, **settings: str) -> Seen:
    return Seen(Origin("dify", pigsty_app(**settings)), facts, mark)


def test_everything_is_named_and_no_secret(site: Site) -> None:
    found = outcome(site, seen(), drilled=True)
    said = [f"{change}: {change.before} → {change.after}" for change in found.changes]
    assert "save /opt/dify as a restore point:  → proved by a drill" in said
    assert "secret_key of its data: published → a new one" in said
    assert "copy storage: /data/dify/app/storage → /data/dify/app/storage" in said
    assert any(line.startswith("copy database dify: 10.10.10.10:5432") for line in said)
    assert sum(line.startswith("stop ") for line in said) == 5
    told = "\n".join([*said, *notes(site, seen(), drilled=True)])
    assert "difyai123456" not in told and "sk-somerandomkey" not in told


def test_vectors_of_another_store_are_named_with_what_moving_them_takes(site: Site) -> None:
    vectors = Vectors({"weaviate": 3}, replies="weaviate", texts=4000, left={"images": 5})
    kept = replace(FACTS, found=replace(FOUND, vectors=vectors))
    changes = [str(change) for change in outcome(site, seen(kept), drilled=True).changes]
    assert "move vectors of 3 knowledge bases in weaviate" in changes
    told = "\n".join(notes(site, seen(kept), drilled=True))
    assert "nobody can use Dify for about 330 s" in told
    assert "moves 4000 into its own database, from the embeddings that it keeps; no model" in told
    assert "5 images are not moved by it" in told
    unkept = replace(kept, found=replace(kept.found, vectors=replace(vectors, unkept=9)))
    told = "\n".join(notes(site, seen(unkept), drilled=True))
    assert "and for 9 longer: models of their workspaces embed them anew" in told


def test_what_people_ask_before_is_told(site: Site) -> None:
    told = notes(site, seen(), drilled=False)
    assert "Dify 1.15.0 was found in the compose project dify" in told
    assert "anybody can read its SECRET_KEY, DB_PASSWORD, REDIS_PASSWORD; " in told[1]
    assert any("role dify is a superuser" in note for note in told)
    assert any("nobody can use Dify for about 320 s" in note for note in told)
    size = "its database has 2.00 GB, its files 1.00 GB in /data/dify/app/storage"
    assert size in told
    assert any("NO drill proves it" in note for note in told)
    assert not any("has a Dify of its own" in note for note in told)
    used = notes(site, replace(seen(), deployed="1.15.0"), drilled=True)
    assert any("staging has a Dify of its own: what it has is saved" in note for note in used)


def test_a_dify_that_grows_while_its_plan_is_read_is_the_same_plan(site: Site) -> None:
    grown = replace(
        FACTS, database=9_000_000_000, folders={"/data/dify/app/storage": 2_000_000_000}
    )
    changes = [outcome(site, seen(facts), drilled=True).changes for facts in (FACTS, grown)]
    assert changes[0] == changes[1]


def test_a_private_key_is_taken_over(site: Site) -> None:
    found = outcome(site, seen(SECRET_KEY="of-its-own"), drilled=True)
    [key] = [change for change in found.changes if change.target == "secret_key"]
    assert (key.before, key.after) == ("private", "taken over")


def test_what_is_in_the_way_is_in_the_plan_and_stops_a_run(site: Site) -> None:
    asked = seen(replace(FACTS, found=replace(FOUND, version="1.14.0", account=False)))
    blocked = outcome(site, asked, drilled=True).blocked
    assert len(blocked) == 2 and blocked[0].what == "take over Dify 1.15.0 in /opt/dify"
    with pytest.raises(StepError, match="2 things stand in the way"):
        require_free(asked)


def test_a_stopped_dify_is_not_asked() -> None:
    members = tuple(replace(each, state="exited") for each in pigsty_app())
    origin = Origin("dify", members)
    assert silent(origin) == ["api", "redis"]
    with pytest.raises(StepError, match="api, redis of the compose project dify do not run"):
        require_free(Seen(origin, None, None))
    require_free(Seen(origin, None, MARK))


def test_one_that_was_taken_over_is_no_change(site: Site) -> None:
    done = seen(None, MARK.model_copy(update={"stage": Stage.DONE}))
    found = outcome(site, done, drilled=True)
    assert (found.changes, found.blocked) == ((), ())
    assert notes(site, done, drilled=True) == ["the Dify in /opt/dify was taken over already"]


def test_seconds_away_are_from_the_stop_until_it_was_opened() -> None:
    begun = MARK.model_copy(update={"stopped": "2026-11-27T00:00:00+00:00"})
    assert begun.downtime_s == 0
    ended = begun.model_copy(update={"opened": "2026-11-27T00:01:30+00:00"})
    assert ended.downtime_s == 90
    assert f"{ended.kept_until:%Y-%m-%d %H:%M:%S}" == "2026-12-04 00:01:30"
