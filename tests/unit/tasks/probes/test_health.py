"""Which probes there are; what messages and containers say."""

import json

import pytest

from config.errors import ConfigError
from config.load import load_environment, load_release
from config.rules.finding import Finding, Status
from config.rules.health.record import Known, Record, overall
from config.secrets import generate
from tasks.core.site import Site
from tasks.probes.health import celery, rollout
from tasks.probes.health.ask import Checkup
from tasks.probes.health.groups import probes
from tasks.probes.health.probe import Past
from tasks.probes.health.record import CHECKED, events
from tasks.probes.health.replication import behind, replication
from tasks.tools import space


@pytest.fixture
def site() -> Site:
    environment = load_environment("sandbox")
    release = load_release(environment.dify.release)
    return Site(environment, release, generate(release, {}))


def test_every_probe_has_its_own_name_and_needs_only_known_ones(site: Site):
    asked = [each for probe in probes(site, Past()) for each in probe.answers.items()]
    names = [name for name, _ in asked]
    assert len(names) == len(set(names))
    assert {need for _, needs in asked for need in needs} <= set(names)


def test_a_skipped_probe_must_exist(site: Site):
    health = site.environment.health.model_copy(update={"skip": ["drills"]})
    environment = site.environment.model_copy(update={"health": health})
    with pytest.raises(ConfigError, match=r"health\.skip: 'drills' is no probe of sandbox"):
        probes(Site(environment, site.release, site.secrets), Past())


def test_nobody_is_asked_what_is_skipped_unless_it_explains_others(site: Site):
    health = site.environment.health.model_copy(
        update={"skip": ["files", "restore point", "postgres"]}
    )
    environment = site.environment.model_copy(update={"health": health})
    asked = {
        name
        for probe in probes(Site(environment, site.release, site.secrets), Past())
        for name in probe.answers
    }
    assert "files" not in asked
    assert {"restore point", "drill", "postgres"} <= asked


def job(**headers: object) -> str:
    return json.dumps({"headers": headers, "properties": {"correlation_id": "c"}})


def test_a_job_waits_since_its_message_says():
    waited, _ = celery._waiting({"mail": job(id="1", timestamp=900)}, Past(), 1000)
    assert waited == {"mail": 100}


def test_a_job_that_does_not_say_waits_since_it_was_first_seen():
    waited, notes = celery._waiting({"mail": job(id="1")}, Past(), 1000)
    assert waited == {"mail": 0}
    waited, notes = celery._waiting({"mail": job(id="1")}, Past(notes=notes), 1300)
    assert waited == {"mail": 300}
    waited, _ = celery._waiting({"mail": job(id="2")}, Past(notes=notes), 1600)
    assert waited == {"mail": 0}


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"headers": 3}', "null"])
def test_a_strange_message_is_a_job_all_the_same(text: str):
    assert celery._waiting({"mail": text}, Past(), 1000)[0] == {"mail": 0}


def test_room_is_counted_as_df_does_and_each_filesystem_once():
    text = "1700000000.5\n1 4096 1000 500 400 10 5 /data\n1 4096 1000 500 400 10 5 /home/x y\n"
    clock, (room,) = space.parse(text)
    assert clock == 1700000000.5
    assert (room.at, round(room.used, 3), room.inodes) == ("/data", 0.556, 0.5)
    assert room.free == 400 * 4096


def test_a_run_tells_that_it_was(site: Site):
    seen = Checkup("prod", 1.0, 0.2, (), (), Record(probes={"a": Known()}))
    (event,) = events(seen)
    assert event.name == CHECKED and event.resource == "rollout.health.prod"


def test_a_rollout_excuses_what_it_makes_anew_and_no_other():
    bad = [
        Finding("redis", Status.FAIL, ""),
        Finding("worker", Status.FAIL, "", because="redis"),
        Finding("disk", Status.FAIL, ""),
        Finding("files", Status.UNKNOWN, "", because="disk"),
        Finding("web", Status.OK, ""),
    ]
    deploy = Finding("rollout", Status.OK, "deploy prod since noon", 60.0, "s")
    held = rollout.excused([deploy, *bad], frozenset({"disk", "rollout"}))
    assert {f.probe: f.because for f in held if f.because} == {
        "redis": "rollout",
        "worker": "rollout",
        "files": "disk",
    }
    late = Finding("rollout", Status.WARN, "deploy prod since noon", 9999.0, "s")
    none = Finding("rollout", Status.OK, "none")
    for other in (late, none):
        assert rollout.excused([other, *bad], frozenset()) == [other, *bad]


def test_how_something_is_during_a_rollout_nobody_can_say():
    held = Finding("redis", Status.FAIL, "", because="rollout")
    assert overall([held, Finding("web", Status.OK, "")]) is Status.UNKNOWN
    assert overall([held, Finding("disk", Status.WARN, "")]) is Status.WARN


def test_a_replica_is_behind_as_long_as_it_lacks_what_was_written_then():
    second, notes = behind(Past(), 100.0, written=500.0, copied=400.0)
    assert second == 0
    second, notes = behind(Past(notes=notes), 160.0, written=900.0, copied=450.0)
    assert second == 60
    second, notes = behind(Past(notes=notes), 220.0, written=950.0, copied=499.0)
    assert second == 120
    second, notes = behind(Past(notes=notes), 280.0, written=990.0, copied=500.0)
    assert second == 0
    assert behind(Past(notes=notes), 340.0, written=999.0, copied=991.0)[0] == 0


def test_what_another_server_had_written_is_not_waited_for():
    _, notes = behind(Past(), 100.0, written=9000.0, copied=9000.0)
    assert behind(Past(notes=notes), 160.0, written=500.0, copied=400.0)[0] == 0


def test_nobody_knows_how_far_behind_a_replica_without_slot_is():
    assert behind(Past(), 100.0, written=500.0, copied=None)[0] is None
    assert behind(Past(), 100.0, written=None, copied=400.0) == (None, {})


def test_a_replica_of_the_environment_that_is_not_there_is_a_warning():
    recipe = load_environment("recipe")
    values = recipe.model_dump()
    values["pigsty"]["pg_nodes"] = ["10.10.10.10", "10.10.10.11"]
    values["postgres"]["port"] = 5436
    environment = type(recipe).model_validate(values)
    site = Site(environment, load_release(environment.dify.release), {})
    missing = replication(site, 0, None)
    assert (missing.said, missing.status) == ("0 of 1 replicas", Status.WARN)
    assert replication(site, 1, 45.0).value == 45
    assert replication(site, 1, None).value is None
    assert replication(site, 2, 0.0).said == "2 replicas"
